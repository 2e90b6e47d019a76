// Installs the packages that package-lock.json names, from tarballs in vendor/.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, copyFileSync, existsSync } from 'node:fs'

const cache = process.env.npm_config_cache ?? '/root/.npm'
const omit = process.argv.includes('--omit=dev')
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
for (const [folder, { resolved, dev }] of Object.entries(packages)) {
  if (!resolved || (omit && dev)) continue
  const name = resolved.replace('file:vendor/', '')
  mkdirSync(cache, { recursive: true })
  if (!existsSync(`${cache}/${name}`)) copyFileSync(`vendor/${name}`, `${cache}/${name}`)
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', `${cache}/${name}`, '-C', folder, '--strip-components=1', '--no-same-owner'])
}
console.log(`added ${readdirSync('node_modules').length} packages`)
