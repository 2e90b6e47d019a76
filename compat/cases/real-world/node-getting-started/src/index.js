const pad = require('left-pad')
const { createServer } = require('node:http')

createServer((_, response) => response.end(pad('hello', 10))).listen(process.env.PORT ?? 3000)
