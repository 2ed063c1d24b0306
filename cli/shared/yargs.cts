// CommonJS: this build of yargs wraps help at words; the other one cuts lines by characters. A file of its own, so that
// cli/dev/bundle.mjs can put yargs and the 15 packages that it stands on into one: to look for them took a third of a start.
module.exports = require('yargs/yargs');
