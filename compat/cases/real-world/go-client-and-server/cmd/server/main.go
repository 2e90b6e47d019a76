package main

var version string

func main() { println("server", version) }
