fetch('__API__/hello')
