// Package cputime measures what code costs in processor time, for tests that
// hold a bound on what a client can make the server compute: what else the
// machine does meanwhile is not that code's cost. It measures on Linux alone.
package cputime
