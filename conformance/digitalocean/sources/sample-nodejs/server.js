// A web server that serves what the build made and what its dependency says.
const fs = require('fs');
const http = require('http');
const greeting = require('greeting');

const page = fs.readFileSync('dist/page.txt', 'utf8');
const server = http.createServer((request, answer) => {
  answer.end(request.url === '/greeting' ? greeting : page);
});
server.listen(process.env.PORT, () => console.log(`listens on ${process.env.PORT}`));
