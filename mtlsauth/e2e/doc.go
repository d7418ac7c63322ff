// Package e2e holds tests and benchmarks of the whole: the real program,
// started as Kong starts it, beside the fake Kong or a real one.
package e2e
