package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// A revocation that arrives counts on connections that are kept and in use: nothing
// that was decided before outlives what the server knows.
func TestLuaRevocationArrives(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	dir := t.TempDir()
	number := int64(0)
	publish := func(revoked ...*pki.Certificate) {
		number++
		file := filepath.Join(dir, "root.crl")
		list := pki.CRL{Issuer: root, Number: number, Entries: pki.Revoked(revoked...)}
		writeFile(t, file+".new", string(list.PEM()))
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": checked("STRICT")}, twoWorkers, func(o *realkong.Options) {
		flags("-crl-dir " + dir)(&o.Options)
	})
	bad, good := root.Client("bad"), root.Client("good")
	eventually(t, "the list is read", func() bool { return r.status("/echo", bad) == 200 })
	r.settled("/echo", bad)
	r.settled("/echo", good)

	// Sixteen kept connections of each, on both workers, in use all the time.
	const connections = 16
	var wg sync.WaitGroup
	var stop atomic.Bool
	var lastPass atomic.Int64 // of the bad one, by UnixNano
	load := func(c *http.Client, answered func(status int, began time.Time)) {
		wg.Go(func() {
			for ; !stop.Load(); pause(false) {
				began := time.Now()
				a, err := fetch(c, r.URLTLS()+"/echo")
				if err != nil {
					t.Error(err)
					return
				}
				answered(a.status, began)
			}
		})
	}
	for range connections {
		load(r.client(bad), func(status int, began time.Time) {
			if status == 200 {
				for now := began.UnixNano(); ; {
					if last := lastPass.Load(); last >= now || lastPass.CompareAndSwap(last, now) {
						return
					}
				}
			} else if status != 401 {
				t.Errorf("the revoked one got %d", status)
			}
		})
		load(r.client(good), func(status int, _ time.Time) {
			if status != 200 {
				t.Errorf("the good one got %d", status)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	before := r.ping().epoch
	publish(bad)
	eventually(t, "the server knows", func() bool { return r.ping().epoch != before })
	known := time.Now()
	time.Sleep(time.Second)
	stop.Store(true)
	wg.Wait()
	late := time.Duration(lastPass.Load() - known.UnixNano())
	t.Logf("the last request that passed began %v after the server's new epoch was seen", late)
	if late > 900*time.Millisecond {
		t.Errorf("the revoked certificate passed %v after the server knew", late)
	}
	for range 8 {
		r.expect("revoked", r.get("/echo", bad), 401, failed)
	}
}

// Where .kong_env cannot be read the worker says where Kong listens.
func TestLuaKnowsWhereKongListens(t *testing.T) {
	t.Parallel()
	needsKong(t)
	root := newAuthority(t, pki.NewCA("root"))
	r := newLuaRig(t, cas{idA: root.Certificate}, bothModes(), func(o *realkong.Options) { noKongEnv(&o.Options) })
	time.Sleep(2 * time.Second) // it does with its first watch, within a second
	if r.AdminURL() != "" {
		r.expectRefusedAddress("Kong's Admin API", root.Certificate, r.AdminURL()+"/", "one of Kong's own listeners")
	}
	r.expectRefusedAddress("Kong's proxy", root.Certificate, r.URL()+"/open", "one of Kong's own listeners")
}
