// What the script "build" of package.json makes.
const fs = require('fs');

fs.mkdirSync('dist', { recursive: true });
fs.writeFileSync('dist/page.txt', 'made by the build');
console.log('the page is made');
