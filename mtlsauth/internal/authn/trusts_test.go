package authn

import (
	"testing"

	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// snapshotOf has one CA certificate so many times, under as many ids.
func snapshotOf(ca *pki.Certificate, times int) *kongdata.Snapshot {
	s := new(kongdata.Snapshot)
	for range times {
		s.CAs = append(s.CAs, kongdata.CA{Certificate: ca.Read()})
	}
	return s
}

func TestTrustIsMadeOnceForASnapshot(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	trusts := newTrusts()
	snapshot := snapshotOf(root, 1)
	strict := trusts.of(snapshot, certpath.TrustOptions{})
	if trusts.of(snapshot, certpath.TrustOptions{}) != strict {
		t.Error("made again for the same snapshot")
	}
	if trusts.of(snapshot, certpath.TrustOptions{AllowPartialChain: true}) == strict {
		t.Error("shared by policies that trust differently")
	}
	if next := trusts.of(snapshotOf(other, 1), certpath.TrustOptions{}); next.Configured(root.Read()) || !next.Configured(other.Read()) {
		t.Error("that of another snapshot trusts what the first one had")
	}
}

func TestTrustsAreBounded(t *testing.T) {
	root := pki.NewCA("root")
	trusts := newTrusts()
	used := snapshotOf(root, 100)
	first := trusts.of(used, certpath.TrustOptions{})
	for range 300 {
		trusts.of(snapshotOf(root, 100), certpath.TrustOptions{})
		if trusts.of(used, certpath.TrustOptions{}) != first {
			t.Fatal("the one that is used went before those that are not")
		}
	}
	if n := trusts.cache.Len(); n != maxTrusted/(100+trustOverhead) {
		t.Errorf("%d trusts of a hundred certificates are kept", n)
	}
	large := snapshotOf(root, maxTrusted+1)
	if trust := trusts.of(large, certpath.TrustOptions{}); trusts.of(large, certpath.TrustOptions{}) != trust || trusts.cache.Len() != 1 {
		t.Errorf("one over the bound: %d trusts are kept, want it alone", trusts.cache.Len())
	}
}
