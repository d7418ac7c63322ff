package main

import (
	"fmt"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// change is something that changes while requests are made.
type change struct {
	what  string
	every time.Duration
	make  func(n int) error
}

// stayRevoked is how many certificates of a kind are revoked at a time: the
// oldest of them is taken back with each new one, as if it had been on hold.
const stayRevoked = 5

func (w *world) changes() []change {
	return []change{
		{"replacing a CA certificate", 12 * time.Second, func(n int) error {
			in := (n + 1) % len(w.replaced)
			w.swap(in) // either answer is right from before it changes
			return w.put(w.caDir, idReplaced+".pem", []byte(w.replaced[in].PEM()))
		}},
		{"replacing a CRL", 5 * time.Second, func(n int) error {
			return w.turn(w.byList, n, func(revoked []revocable) error {
				var entries []pki.CRLEntry
				for _, r := range revoked {
					entries = append(entries, pki.Revoked(r.cert)...)
				}
				return w.writeList(int64(n+2), entries)
			})
		}},
		{"revoking by OCSP", 7 * time.Second, func(n int) error {
			return w.turn(w.byOCSP, n, func(revoked []revocable) error {
				w.responder.Revoke(revoked[len(revoked)-1].cert, 1)
				if n >= stayRevoked {
					w.responder.Good(w.byOCSP[(n-stayRevoked)%len(w.byOCSP)].cert)
				}
				return nil
			})
		}},
		{"reloading a configuration", 300 * time.Millisecond, w.come},
		{"a configuration that is gone at once", time.Second, w.gone},
	}
}

// swap says that clients of this one of the replaced CAs pass.
func (w *world) swap(in int) {
	w.swaps[in].set(passes("client"))
	w.swaps[1-in].set(kong.Want{Status: 401})
}

// turn revokes the n-th of the certificates and takes back the one that was
// revoked longest, in what is right and then in the world, by what is done.
func (w *world) turn(list []revocable, n int, do func(revoked []revocable) error) error {
	var revoked []revocable
	for i := max(0, n-stayRevoked+1); i <= n; i++ {
		revoked = append(revoked, list[i%len(list)])
	}
	list[n%len(list)].wants.set(kong.Want{Status: 401})
	if n >= stayRevoked {
		back := list[(n-stayRevoked)%len(list)]
		back.wants.set(passes(back.cert.Subject.CommonName))
	}
	return do(revoked)
}

// come replaces the configuration that comes and goes by one that trusts another
// CA.
func (w *world) come(n int) error {
	trusts := n % 2
	c, err := w.load("coming", "ca_certificates", []any{[]string{server.CAID, idOther}[trusts]})
	if err != nil {
		return err
	}
	w.pairs.Add(2)
	w.coming.Store(&comingConfig{c, trusts})
	return nil
}

// gone makes one request to a configuration that Kong then forgets, as it does
// with a plugin that was removed: without telling the server.
func (w *world) gone(n int) error {
	c, err := w.load(fmt.Sprint("gone ", n))
	if err != nil {
		return err
	}
	w.pairs.Add(1)
	e := presented(w.root.Client("client"), passes("client"))
	r := e.Request()
	w.client.Access(r, c)
	r.End()
	return e.Want.Check(r)
}
