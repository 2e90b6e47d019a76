// Puts what a server needs into .next, as a build of Next.js does.
const { cpSync, mkdirSync, writeFileSync } = require('node:fs')
const { createHash } = require('node:crypto')

mkdirSync('.next/standalone/node_modules', { recursive: true })
cpSync('node_modules/left-pad', '.next/standalone/node_modules/left-pad', { recursive: true })
cpSync('src/server.js', '.next/standalone/server.js')
const page = '<p>static</p>'
const id = createHash('sha256').update(page).digest('hex').slice(0, 8)
mkdirSync(`.next/static/${id}`, { recursive: true })
writeFileSync(`.next/static/${id}/page.html`, page)
writeFileSync('.next/standalone/BUILD_ID', id)
