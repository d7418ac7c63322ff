// Package e2e holds tests and benchmarks of the whole: the real program,
// started as Kong starts it, behind the gateway that stands in for Kong.
package e2e
