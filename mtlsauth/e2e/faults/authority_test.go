package faults

import (
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// authority is a CA that answers by OCSP at its root and by CRL at /ca.crl, or writes a CRL
// into a folder. It records what it has said, and fails in every way.
type authority struct {
	id        string
	issuer    *pki.Certificate
	other     *pki.Certificate // another CA of the same name: liars sign with it
	responder *pki.Responder
	server    *http.Server
	url       string
	file      string // of its CRL in the folder, "" where it has none

	mu      sync.Mutex
	trouble string
	release chan struct{} // closed when the trouble is over: what hangs ends
	revoked map[string]time.Time
	number  int64
	stated  []statement
}

// statement says that certificates were good, at some instant until another.
type statement struct {
	serials      map[string]bool // of OCSP; nil: all that are not revoked
	revoked      map[string]bool // of a CRL
	since, until time.Time
}

const (
	statementLife = 2 * time.Second // of a statement that is fetched
	folderBound   = 15 * time.Second
)

// The troubles of a responder or a host of CRLs.
var troubles = []string{
	"silent", "slow", "refusing", "garbled", "cut", "redirecting", "another key", "another serial",
	"clock ahead", "clock behind", "rolled back", "try later",
}

func newAuthority(id, name string) *authority {
	a := &authority{
		id: id, issuer: pki.NewCA(name), other: pki.NewCA(name),
		revoked: map[string]time.Time{}, release: make(chan struct{}), number: 1,
	}
	a.responder = pki.NewResponder(a.issuer)
	a.responder.Change(a.state)
	return a
}

func (a *authority) listen() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.url = "http://" + listener.Addr().String()
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	go a.server.Serve(listener)
	return nil
}

func (a *authority) close() {
	a.setTrouble("")
	a.responder.Close()
	if a.server != nil {
		a.server.Close()
	}
}

func (a *authority) setTrouble(trouble string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.release)
	a.release = make(chan struct{})
	a.trouble = trouble
}

// revoke makes a certificate revoked from now on, for good.
func (a *authority) revoke(c *client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if serial := c.cert.SerialNumber.String(); a.revoked[serial].IsZero() {
		a.revoked[serial] = time.Now()
	}
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	trouble, release := a.trouble, a.release
	a.mu.Unlock()
	switch trouble {
	case "silent":
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case "slow":
		select {
		case <-time.After(700 * time.Millisecond):
		case <-r.Context().Done():
		}
	case "refusing":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "garbled":
		w.Write([]byte("<html>\x30\x82 not here"))
		return
	case "redirecting":
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return
	case "cut":
		w.Header().Set("Content-Length", "5000")
		w.Write([]byte{0x30, 0x82, 0x01})
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/ca.crl" {
		w.Write(a.crl())
		return
	}
	a.responder.ServeHTTP(w, r)
}

// times returns when a statement begins and ends, and whether it is worth anything.
func times(trouble string, revokedAt time.Time) (since, until time.Time, honest bool) {
	now := time.Now()
	since, until = now.Truncate(time.Second), now.Add(statementLife).Truncate(time.Second)
	switch trouble {
	case "clock ahead":
		return since.Add(2 * time.Hour), until.Add(2 * time.Hour), false
	case "clock behind":
		return since.Add(-2 * time.Hour), until.Add(-2 * time.Hour), false
	case "rolled back": // from before the revocation, and not over
		if !revokedAt.IsZero() {
			since = revokedAt.Add(-time.Minute).Truncate(time.Second)
		}
	case "another key", "another serial", "try later":
		return since, until, false
	}
	return since, until, true
}

// state fills in an OCSP response, and records it.
func (a *authority) state(response *pki.OCSPResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	single := &response.Singles[0]
	serial := single.Serial.String()
	revokedAt := a.revoked[serial]
	since, until, honest := times(a.trouble, revokedAt)
	single.ThisUpdate, single.NextUpdate, single.Status = since, until, pki.OCSPGood
	if !revokedAt.IsZero() && a.trouble != "rolled back" {
		single.Status, single.Reason = pki.OCSPRevoked, 1
	}
	switch a.trouble {
	case "another key": // in the name of the right one, and says the opposite
		response.Signer, response.Certificates, response.ResponderID, single.Status = a.other, [][]byte{}, a.issuer, pki.OCSPGood
	case "another serial":
		single.Serial, single.Status = a.issuer.SerialNumber, pki.OCSPGood
	case "try later":
		response.ResponseStatus = 3
	}
	if honest && single.Status == pki.OCSPGood {
		a.stated = append(a.stated, statement{serials: map[string]bool{serial: true}, since: time.Now(), until: until})
	}
}

// crl makes a CRL, and records it.
func (a *authority) crl() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	var last time.Time
	for _, at := range a.revoked {
		if at.After(last) {
			last = at
		}
	}
	since, until, honest := times(a.trouble, last)
	if a.file != "" {
		until = until.Add(time.Hour)
	}
	a.number++
	list := pki.CRL{Issuer: a.issuer, ThisUpdate: since, NextUpdate: until, Number: a.number}
	stated := statement{revoked: map[string]bool{}, since: time.Now(), until: until}
	for serial, at := range a.revoked {
		if a.trouble == "rolled back" && !at.Before(since) {
			list.Number = 1
			continue
		}
		n, _ := new(big.Int).SetString(serial, 10)
		list.Entries = append(list.Entries, pki.CRLEntry{Serial: n})
		stated.revoked[serial] = true
	}
	switch a.trouble {
	case "another key":
		list.Signer, list.Entries = a.other, nil
	case "another serial":
		list.Issuer, list.Entries = a.other, nil
	case "try later":
		return nil
	}
	if honest {
		// What was said before ends for the folder, whose file is replaced.
		if a.file != "" {
			for i := range a.stated {
				a.stated[i].until = earlier(a.stated[i].until, time.Now().Add(folderBound))
			}
		}
		a.stated = append(a.stated, stated)
	}
	return list.DER()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// publish writes the CRL into its file: in one step, or half of it in place where it is
// broken.
func (a *authority) publish(broken bool) error {
	text := a.crl()
	if broken {
		return os.WriteFile(a.file, text[:len(text)/2], 0o600)
	}
	if err := os.WriteFile(a.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(a.file+".new", a.file)
}

// saidGood says whether any statement that may be in use between two instants calls the
// certificate good.
func (a *authority) saidGood(c *client, from, to time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	serial := c.cert.SerialNumber.String()
	for _, s := range a.stated {
		about := s.serials[serial] || s.serials == nil && !s.revoked[serial]
		if about && !s.since.After(to) && !s.until.Before(from) {
			return true
		}
	}
	return false
}

func (a *authority) revokedBefore(c *client, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := a.revoked[c.cert.SerialNumber.String()]
	return !since.IsZero() && since.Before(at)
}
