// Package faults simulates a bad day: the server process, Kong's workers, the socket between
// them, responders, CRLs, folders and Kong's configuration fail and change by a schedule
// that a seed determines, while clients of every kind make requests. It holds the tests
// alone.
//
// What is checked of each request: that it was answered; that a pass is one that was right
// at some instant within the bounds that the documentation gives; that a refusal has its
// reason in Kong's log, and one that was right. After the last fault every client gets the
// right answer on every route, and the server has kept no descriptor, goroutine, memory or
// file.
//
//	go test ./mtlsauth/e2e/faults                                # 15 seeds in each mode
//	go test -timeout 6h ./mtlsauth/e2e/faults -seeds 1000        # 1,000 in each mode
//	go test ./mtlsauth/e2e/faults -mode lua -seed 17 -seeds 1 -v # one of them, again
//
// The server's own clock is not moved: the process reads the system's. The clocks of
// responders and CRLs are.
package faults
