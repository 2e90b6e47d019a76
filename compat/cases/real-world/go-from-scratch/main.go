package main

import "example.com/greeting"

var version = "unknown"

func main() { println(greeting.Greet(version)) }
