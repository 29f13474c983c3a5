module.exports = 'hello from a vendored package';
