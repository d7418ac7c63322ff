package authn_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A pass ends with the path that remains, not with one on which a certificate is
// revoked.
func TestAPassEndsWithThePathThatStands(t *testing.T) {
	root := pki.NewCA("root")
	now := time.Now()
	one := root.Intermediate("inter")
	two := root.Intermediate("inter", pki.Key(one.Key), pki.Valid(now.Add(-time.Hour), now.Add(time.Hour)))
	leaf := one.Client("leaf")
	dir := t.TempDir()
	for name, c := range map[string]pki.CRL{"root": {Issuer: root, Entries: pki.Revoked(one)}, "inter": {Issuer: one}} {
		c.NextUpdate = now.Add(20 * time.Hour)
		if err := os.WriteFile(filepath.Join(dir, name), c.DER(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := crldir.Open(dir, crldir.Options{})
	go folder.Run(t.Context())
	<-folder.Ready()
	checker := revocation.New(revocation.Options{Folder: folder, Memory: revocation.NewMemory(1 << 20), MaxCRLSize: 1 << 20})
	p := policyOf(trusting(root, one, two), func(o *authn.Options) {
		o.Checker, o.Status = checker, &revocation.Settings{HTTPTimeout: time.Second}
	})
	for range 2 { // the first learns of the revocation, which ends its own decision
		if d := p.Authenticate(context.Background(), sent(leaf), nil, now); !d.Passed() {
			t.Fatalf("%v %s", d.Reason, d.Detail)
		}
	}
	if d := p.Authenticate(context.Background(), sent(leaf), nil, now.Add(2*time.Hour)); d.Reason != authn.Revoked {
		t.Errorf("an hour after the only good path has ended: got %v, want revoked", d.Reason)
	}
}

// hanging never answers.
type hanging struct{}

func (hanging) Do(ctx context.Context, r fetch.Request, how fetch.How, n int64) (*fetch.Response, error) {
	<-ctx.Done()
	return nil, &fetch.Error{Kind: fetch.Timeout, Err: errors.New("hangs")}
}

// Who waits for another's decision that comes to a limit does not begin to wait
// again: Kong gives up after a minute.
func TestALimitIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := pki.NewCA("root")
		checker := revocation.New(revocation.Options{Fetcher: hanging{}, Memory: revocation.NewMemory(1 << 20), MaxCRLSize: 1 << 20})
		p := policyOf(trusting(root), func(o *authn.Options) {
			o.Checker, o.Status = checker, &revocation.Settings{HTTPTimeout: time.Minute}
		})
		var wg sync.WaitGroup
		for range 40 { // more than may be asked about at once
			other := sent(root.Client("other", pki.OCSPServer("http://slow")))
			wg.Go(func() { p.Authenticate(context.Background(), other, nil, time.Now()) })
		}
		time.Sleep(time.Second)
		leaf := sent(root.Client("leaf", pki.OCSPServer("http://slow")))
		for range 3 {
			wg.Go(func() {
				began := time.Now()
				d := p.Authenticate(context.Background(), leaf, nil, began)
				if took := time.Since(began); took > 50*time.Second || d.Status() != 500 {
					t.Errorf("got %d after %v, want 500 within 50 s", d.Status(), took)
				}
			})
		}
		wg.Wait()
		time.Sleep(5 * time.Minute) // until the last exchange has ended
	})
}
