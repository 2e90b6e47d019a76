// Package greeting greets.
package greeting

// Greet greets.
func Greet(name string) string { return "hello " + name }
