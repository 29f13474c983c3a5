module.exports = (request, response) => {
  const name = request.query.name ?? 'nobody';
  console.log(`greets ${name}`);
  response.json({ hello: name, greeting: process.env.GREETING, env: process.env.VERCEL_ENV });
};
