import greeting

print(greeting.greet("flask"))
