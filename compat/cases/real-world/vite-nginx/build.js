// Bundles: names of assets tell their content.
const fs = require('node:fs')
const { createHash } = require('node:crypto')

fs.mkdirSync('dist/assets', { recursive: true })
const script = fs.readFileSync('src/main.js', 'utf8').replace('__API__', process.env.VITE_API_URL)
const name = `assets/main-${createHash('sha256').update(script).digest('hex').slice(0, 8)}.js`
fs.writeFileSync(`dist/${name}`, script)
fs.writeFileSync('dist/index.html', fs.readFileSync('index.html', 'utf8').replace('/src/main.js', `/${name}`))
