package crldir

import (
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

const (
	MaxEntries = maxEntries
	RetryEvery = retryEvery
)

// CountReads counts how often a file is read for a list. It is called before
// Run.
func CountReads(f *Folder) *atomic.Int64 {
	count := new(atomic.Int64)
	f.testingOnlyRead = func() { count.Add(1) }
	return count
}

// Complete and Deltas are Lists for one issuer.
func (f *Folder) Complete(rawIssuer []byte) []*crl.List {
	complete, _ := f.Lists([][]byte{rawIssuer})
	return complete
}

func (f *Folder) Deltas(rawIssuer []byte) []*crl.List {
	_, deltas := f.Lists([][]byte{rawIssuer})
	return deltas
}
