#!/usr/bin/env node
console.log('no problems')
