package e2e

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// untrusted are reasons why a list or response counts neither for a certificate nor
// against it: it cannot be trusted, cannot be read, or is about something else.
const untrusted = true

// TestFlawedCRLs makes a CRL wrong in one way each, with and without the
// certificate on it. Whatever the issuer has signed revokes in both modes; what has
// a flaw clears no certificate, and the log says which.
func TestFlawedCRLs(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	// Further certificates of the CA's name, from its root key.
	uses := func(usage x509.KeyUsage) pki.Option {
		return pki.With(func(c *x509.Certificate) { c.Subject, c.RawSubject, c.KeyUsage = root.Subject, root.RawSubject, usage })
	}
	weak := root.Intermediate("", pki.RSA(1024), uses(x509.KeyUsageCRLSign))
	unused, second := root.Intermediate("", uses(x509.KeyUsageCertSign)), root.Intermediate("", uses(x509.KeyUsageCRLSign))
	const idWeak, idUnused = "dddddddd-0000-4000-8000-000000000004", "eeeeeeee-0000-4000-8000-000000000005"
	r := newStatusRig(t, cas{idA: root, idB: other, idC: second, idWeak: weak, idUnused: unused},
		bothModes(object{"ca_certificates": []string{idA, idB, idC, idWeak, idUnused}}))
	odd := pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}
	idCE := func(arc int, critical bool, value string) pkix.Extension {
		return pkix.Extension{Id: []int{2, 5, 29, arc}, Critical: critical, Value: []byte(value)}
	}
	edited := func(old, new string) func(*pki.CRL) {
		return func(c *pki.CRL) {
			c.Edit = func(content []byte) []byte {
				if !bytes.Contains(content, []byte(old)) {
					t.Errorf("no %q to edit", old)
				}
				return bytes.Replace(content, []byte(old), []byte(new), 1)
			}
		}
	}
	entry := func(change func(*pki.CRLEntry)) func(*pki.CRL) {
		return func(c *pki.CRL) {
			for i := range c.Entries {
				change(&c.Entries[i])
			}
		}
	}
	serial := int64(1000)
	for _, test := range []struct {
		name      string
		change    func(*pki.CRL)
		clears    bool   // it has no flaw at all
		untrusted bool   // it does not count either way
		why       string // in the log
	}{
		{"none", func(*pki.CRL) {}, true, false, ""},
		{"version 1", func(c *pki.CRL) {
			c.NoNumber, c.NoKeyID = true, true
			edited("\x02\x01\x01\x30", "\x30")(c)
		}, false, false, "CRL is of version 1"},
		{"version 3", edited("\x02\x01\x01\x30", "\x02\x01\x02\x30"), false, false, "CRL is not of version 2"},
		{"no CRL number", func(c *pki.CRL) { c.NoNumber = true }, false, false, "without CRL number"},
		{"a negative CRL number", func(c *pki.CRL) {
			c.NoNumber, c.Extensions = true, []pkix.Extension{idCE(20, false, "\x02\x01\xff")}
		}, false, false, "malformed CRL number"},
		{"no nextUpdate", func(c *pki.CRL) { c.NoNextUpdate = true }, false, false, "without nextUpdate"},
		{"past its nextUpdate", func(c *pki.CRL) { c.ThisUpdate, c.NextUpdate = inSeconds(-7200), inSeconds(-3600) }, false, false, "past its nextUpdate"},
		{"from the future", func(c *pki.CRL) { c.ThisUpdate = inSeconds(3600) }, false, false, "from the future"},
		{"a fraction of a second", func(c *pki.CRL) {
			c.NoNextUpdate = true
			c.Edit = func(content []byte) []byte {
				i := bytes.IndexByte(content, 'Z') + 1
				return append(bytes.Clone(content[:i]), append([]byte("\x18\x1120490101000000.5Z"), content[i:]...)...)
			}
		}, true, false, ""},
		{"thisUpdate without seconds", func(c *pki.CRL) {
			c.Edit = func(content []byte) []byte {
				i := bytes.IndexByte(content, 'Z')
				out := append(bytes.Clone(content[:i-14]), 0x17, 11)
				return append(append(out, content[i-12:i-2]...), content[i:]...)
			}
		}, false, false, "malformed time"},
		{"a delta CRL", func(c *pki.CRL) { c.Number, c.BaseNumber = 2, 1 }, false, false, "a delta CRL without the complete one"},
		{"an unknown critical extension", func(c *pki.CRL) { c.Extensions = append(c.Extensions, odd) }, false, false, "critical extension"},
		{"a critical freshest CRL", func(c *pki.CRL) { c.Extensions = append(c.Extensions, idCE(46, true, "\x30\x00")) }, false, false, "critical extension"},
		{"an extension twice", func(c *pki.CRL) {
			c.Extensions = append(c.Extensions, idCE(46, false, "\x30\x00"), idCE(46, false, "\x30\x00"))
		}, false, false, "an extension is there twice"},
		{"an issuing distribution point that cannot be read", func(c *pki.CRL) { c.Extensions = append(c.Extensions, idCE(28, true, "\x30\x03\x81\x01\x01")) }, false, false, "malformed issuing distribution point"},
		{"another key's identifier", func(c *pki.CRL) { c.KeyID = []byte("another") }, true, false, ""},
		{"no key identifier", func(c *pki.CRL) { c.NoKeyID = true }, true, false, ""},
		{"a key identifier that cannot be read", func(c *pki.CRL) {
			c.NoKeyID, c.Extensions = true, []pkix.Extension{idCE(35, false, "\x05\x00")}
		}, false, false, "malformed authority key identifier"},
		{"the issuer in another spelling", edited("\x13\x04root", "\x0c\x04ROOT"), true, false, ""},
		{"the issuer in a value that is not text", edited("\x13\x04root", "\x04\x04root"), false, false, "not certain"},
		{"an entry with an unknown critical extension", entry(func(e *pki.CRLEntry) { e.Extensions = []pkix.Extension{odd} }), true, false, "critical entry extension"},
		{"an entry with a reason that cannot be read", entry(func(e *pki.CRLEntry) { e.Extensions = []pkix.Extension{idCE(21, false, "\x02\x01\x01")} }), true, false, "malformed entry"},
		{"an entry with an extension twice", entry(func(e *pki.CRLEntry) {
			e.Extensions = []pkix.Extension{idCE(21, false, "\x0a\x01\x08"), idCE(21, false, "\x0a\x01\x08")}
		}), true, false, "has an extension twice"},
		{"an entry on hold", entry(func(e *pki.CRLEntry) { e.Reason = 6 }), true, false, "certificateHold"},
		{"an entry of another issuer, in a list that is not indirect", entry(func(e *pki.CRLEntry) { e.Issuer = root }), true, false, "not indirect"},
		{"data after its end", nil, false, false, "data after its end"},
		{"in PEM", nil, true, false, ""},

		{"indirect, and of the issuer", func(c *pki.CRL) { c.IDP = &pki.IDP{Indirect: true} }, true, false, ""},
		{"for some reasons", func(c *pki.CRL) { c.IDP = &pki.IDP{Reasons: []int{1}} }, false, false, ""},
		{"signed by a key of 1024 bits", func(c *pki.CRL) { c.Signer = weak }, false, untrusted, "signature"},
		{"signed by a certificate that signs no CRLs", func(c *pki.CRL) { c.Signer = unused }, false, untrusted, "signature"},
		{"signed by another key of the CA", func(c *pki.CRL) { c.Signer = second }, true, false, ""},
		{"for CA certificates", func(c *pki.CRL) { c.IDP = &pki.IDP{OnlyCACerts: true} }, false, untrusted, "for CA certificates"},
		{"for attribute certificates", func(c *pki.CRL) { c.IDP = &pki.IDP{OnlyAttributeCerts: true} }, false, untrusted, "for attribute certificates"},
		{"of another distribution point", func(c *pki.CRL) { c.IDP = &pki.IDP{URIs: []string{"http://other.invalid/"}} }, false, untrusted, "for another distribution point"},
		{"of another CA", func(c *pki.CRL) { c.Issuer = other }, false, untrusted, "another issuer's"},
		{"signed by another CA", func(c *pki.CRL) { c.Signer = other }, false, untrusted, "signature"},
		{"signed by a CA of its name", func(c *pki.CRL) { c.Signer = pki.NewCA("root") }, false, untrusted, "signature"},
		{"a bit of the signature", func(c *pki.CRL) { c.CorruptSignature = true }, false, untrusted, "signature"},
		{"SHA-1", func(c *pki.CRL) { c.Hash = crypto.SHA1 }, false, untrusted, "SHA-1"},
		{"cut off", nil, false, untrusted, "parsing CRL"},
		{"an extension of 20 KB", func(c *pki.CRL) { c.Extensions = append(c.Extensions, idCE(99, false, strings.Repeat("x", 20_000))) }, false, untrusted, "element of a CRL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := r.in(t)
			serial++
			list := pki.CRL{Issuer: root, Entries: []pki.CRLEntry{{Serial: big.NewInt(serial), Reason: 1}}}
			if test.name == "an entry with an extension twice" || strings.Contains(test.name, "a reason that cannot be read") {
				list.Entries[0].Reason = 0
			}
			if test.change != nil {
				test.change(&list)
			}
			body := list.DER()
			switch test.name {
			case "data after its end":
				body = append(body, '\n')
			case "in PEM":
				body = list.PEM()
			case "cut off":
				body = body[:len(body)-20]
			}
			host := newCRLHost(t, pki.CRL{Issuer: root})
			host.Set(body)
			at := pki.CRLDistributionPoint(host.URL())
			bad, good := root.Client("bad", at, pki.Serial(serial)), root.Client("good", at)
			onList, off := []string{isRevoked, isRevoked}, []string{isUnknown, passesNoted}
			if test.untrusted {
				onList = off
			}
			if test.clears && test.why == "" || strings.HasPrefix(test.name, "an entry on hold") {
				off = []string{passes, passes}
			}
			for n, path := range []string{"/strict", "/ignore"} {
				r.expectStatus("listed", path, bad, onList[n], test.why)
				why := test.why
				if off[n] == passes {
					why = ""
				}
				r.expectStatus("not listed", path, good, off[n], why)
			}
		})
	}
}

var generalizedTime = regexp.MustCompile(`\x18\x0f[0-9]{14}Z`)

// TestFlawedOCSPResponses is the like of OCSP responses.
func TestFlawedOCSPResponses(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	r := newStatusRig(t, cas{idA: root, idB: other}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	odd := pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}
	single := func(change func(*pki.OCSPSingle)) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { change(&r.Singles[0]) }
	}
	signedBy := func(signer *pki.Certificate) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { r.Signer = signer }
	}
	fraction := func(r *pki.OCSPResponse) {
		r.Edit = func(data []byte) []byte {
			// producedAt, the first time; lengths grow by two.
			at := generalizedTime.FindIndex(data)
			if at == nil || data[1] < 0x81 || data[1] > 0x82 {
				t.Error("not the form to edit")
				return data
			}
			i := at[1] - 1 // of the Z
			out := append(bytes.Clone(data[:i]), append([]byte(".5"), data[i:]...)...)
			out[i-15] += 2
			if data[1] == 0x81 {
				out[2] += 2
			} else {
				out[3] += 2
			}
			return out
		}
	}
	// Delegates without id-pkix-ocsp-nocheck, which name a responder.
	ofDelegates := newResponder(t, root)
	delegate := func(name, url string) *pki.Certificate {
		return root.OCSPSigner(name, pki.OCSPServer(url), pki.With(func(c *x509.Certificate) { c.ExtraExtensions = nil }))
	}
	asked, gone := delegate("asked", ofDelegates.URL()), delegate("gone", ofDelegates.URL())
	ofDelegates.Good(asked)
	ofDelegates.Revoke(gone, 1)
	unasked := delegate("unasked", newClosedPort(t).address)
	for _, test := range []struct {
		name      string
		change    func(*pki.OCSPResponse)
		clears    bool
		untrusted bool
		why       string
	}{
		{"none", func(*pki.OCSPResponse) {}, true, false, ""},
		{"a fraction of a second", fraction, true, false, ""},
		{"signed by a delegate", signedBy(root.OCSPSigner("delegate")), true, false, ""},
		{"signed by a delegate whose status is asked", signedBy(asked), true, false, ""},
		{"signed by a delegate whose status is asked, past its nextUpdate", func(r *pki.OCSPResponse) {
			r.Signer, r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = asked, inSeconds(-7200), inSeconds(-3600)
		}, false, false, "its time was over"},
		{"signed by a delegate whose status is asked, an unknown critical extension", func(r *pki.OCSPResponse) {
			r.Signer, r.Extensions = asked, []pkix.Extension{odd}
		}, false, false, "unknown critical extension in the response"},
		{"signed by a delegate whose status cannot be had, an unknown critical extension", func(r *pki.OCSPResponse) {
			r.Signer, r.Extensions = unasked, []pkix.Extension{odd}
		}, false, false, "unknown critical extension in the response"},
		{"signed by a delegate that is revoked", signedBy(gone), false, untrusted, "revoked, says OCSP responder"},
		{"no nextUpdate", single(func(s *pki.OCSPSingle) { s.NoNextUpdate = true }), true, false, ""},
		{"past its nextUpdate", single(func(s *pki.OCSPSingle) { s.ThisUpdate, s.NextUpdate = inSeconds(-7200), inSeconds(-3600) }), false, false, "its time was over"},
		{"a year old without nextUpdate", single(func(s *pki.OCSPSingle) { s.ThisUpdate, s.NoNextUpdate = time.Now().AddDate(-1, 0, 0), true }), false, false, "its time was over"},
		{"thisUpdate in the future", single(func(s *pki.OCSPSingle) { s.ThisUpdate = inSeconds(3600) }), false, false, "thisUpdate is in the future"},
		{"producedAt in the future", func(r *pki.OCSPResponse) { r.ProducedAt = inSeconds(3600) }, false, false, "producedAt is in the future"},
		{"nextUpdate before thisUpdate", single(func(s *pki.OCSPSingle) { s.NextUpdate = inSeconds(-7200) }), false, false, "malformed nextUpdate"},
		{"an unknown critical extension", func(r *pki.OCSPResponse) { r.Extensions = []pkix.Extension{odd} }, false, false, "unknown critical extension in the response"},
		{"an unknown critical extension of the entry", single(func(s *pki.OCSPSingle) { s.Extensions = []pkix.Extension{odd} }), false, false, "unknown critical extension in the entry"},
		{"an extension twice", func(r *pki.OCSPResponse) {
			twice := odd
			twice.Critical = false
			r.Extensions = []pkix.Extension{twice, twice}
		}, false, false, "malformed responseExtensions"},
		{"the issuer's name in another spelling", single(func(s *pki.OCSPSingle) {
			spelled := *root.Certificate
			spelled.RawSubject = bytes.Replace(bytes.Clone(root.RawSubject), []byte("\x13\x04"), []byte("\x0c\x04"), 1)
			s.NameOf = &pki.Certificate{Certificate: &spelled}
		}), false, false, "it is not about the certificate"},

		{"of another issuer", single(func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = other, other }), false, untrusted, "it is not about the certificate"},
		{"signed by another CA", signedBy(other), false, untrusted, "responder"},
		{"signed by a client", signedBy(root.Client("client")), false, untrusted, "id-kp-OCSPSigning"},
		{"signed by a delegate that has expired", signedBy(root.OCSPSigner("expired", pki.Expired())), false, untrusted, "not valid after"},
		{"a bit of the signature", func(r *pki.OCSPResponse) { r.CorruptSignature = true }, false, untrusted, "signature"},
		{"SHA-1", func(r *pki.OCSPResponse) { r.Hash = crypto.SHA1 }, false, untrusted, "SHA-1"},
		{"tryLater", func(r *pki.OCSPResponse) { r.ResponseStatus = 3 }, false, untrusted, "tryLater"},
		{"of nothing", func(r *pki.OCSPResponse) { r.Edit = func([]byte) []byte { return []byte{0x30, 0} } }, false, untrusted, "malformed"},
		{"over 64 KiB", func(r *pki.OCSPResponse) {
			r.Extensions = []pkix.Extension{{Id: odd.Id, Value: make([]byte, 70_000)}}
		}, false, untrusted, "at most 65536 bytes"},
		{"an empty body", nil, false, untrusted, "malformed"},
		{"a page", nil, false, untrusted, "malformed"},
		{"cut off", nil, false, untrusted, "malformed"},
		{"data after its end", nil, false, untrusted, "malformed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := r.in(t)
			responder := newResponder(t, root)
			if test.change != nil {
				responder.Change(test.change)
			}
			url := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				answer := httptest.NewRecorder()
				responder.ServeHTTP(answer, q)
				body := answer.Body.Bytes()
				switch test.name {
				case "an empty body":
					body = nil
				case "a page":
					body = []byte("<html></html>")
				case "cut off":
					body = body[:len(body)-1]
				case "data after its end":
					body = append(body, '\n')
				}
				w.Write(body)
			}))
			good, bad := root.Client("good", pki.OCSPServer(url)), root.Client("bad", pki.OCSPServer(url))
			responder.Good(good)
			responder.Revoke(bad, 1)
			revoked, off := []string{isRevoked, isRevoked}, []string{isUnknown, passesNoted}
			if test.untrusted {
				revoked = off
			}
			if test.clears {
				off = []string{passes, passes}
			}
			for n, path := range []string{"/strict", "/ignore"} {
				why := test.why
				if revoked[n] == isRevoked && test.name == "the issuer's name in another spelling" {
					why = "says OCSP responder" // it may be about the certificate
				}
				r.expectStatus("revoked", path, bad, revoked[n], why)
				r.expectStatus("good", path, good, off[n], test.why)
			}
		})
	}
}

// in is the rig for a part of a test.
func (r *rig) in(t testing.TB) *rig {
	part := *r
	part.t = t
	return &part
}

// serveHandler returns the URL of a server for the time of a test.
func serveHandler(t testing.TB, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestRespondersThatDoNotKnowGET: POST tells what GET does not, however it does not.
func TestRespondersThatDoNotKnowGET(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newStatusRig(t, cas{idA: root}, bothModes())
	for name, get := range map[string]http.HandlerFunc{
		"malformedRequest": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0x30, 3, 10, 1, 1}) },
		"unauthorized":     func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0x30, 3, 10, 1, 6}) },
		"a page":           func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html></html>")) },
		"nothing":          func(http.ResponseWriter, *http.Request) {},
		"400":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		"403":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"500":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"closed":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect to less": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/x"+strings.ReplaceAll(q.URL.Path, "/", ""), http.StatusMovedPermanently)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := r.in(t)
			responder := pki.NewResponder(root)
			url := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodGet {
					get(w, q)
					return
				}
				responder.ServeHTTP(w, q)
			}))
			good, bad := root.Client("good", pki.OCSPServer(url)), root.Client("bad", pki.OCSPServer(url))
			responder.Good(good)
			responder.Revoke(bad, 1)
			for _, path := range []string{"/strict", "/ignore"} {
				r.expectStatus("good", path, good, passes)
				r.expectStatus("revoked", path, bad, isRevoked)
			}
		})
	}
}

// TestCRLAddresses: a space in an address is %20, and spellings do not matter.
func TestCRLAddresses(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newStatusRig(t, cas{idA: root}, bothModes())
	for _, test := range []struct{ name, certificate, list string }{
		{"a space", "/My CA (1)+.crl", "/My%20CA%20(1)+.crl"},
		{"capitals in hexadecimal digits", "/%2fa%7e.crl", "/%2Fa~.crl"},
		{"dots", "/a/../b/./c.crl", "/b/c.crl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := r.in(t)
			var list []byte
			url := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.RequestURI != test.list {
					t.Errorf("asked for %q, want %q", q.RequestURI, test.list)
				}
				w.Write(list)
			}))
			at := pki.DistributionPoints(pki.DistributionPoint{URIs: []string{url + test.certificate}})
			good, bad := root.Client("good", at), root.Client("bad", at)
			list = pki.CRL{Issuer: root, Entries: pki.Revoked(bad), IDP: &pki.IDP{URIs: []string{url + test.list}}}.DER()
			for _, path := range []string{"/strict", "/ignore"} {
				r.expectStatus("good", path, good, passes)
				r.expectStatus("listed", path, bad, isRevoked)
			}
		})
	}
}

// TestFilesOfTheCRLFolder: bundles, certificates, text and a byte order mark.
func TestFilesOfTheCRLFolder(t *testing.T) {
	t.Parallel()
	var authorities []*pki.Certificate
	known, ids := cas{}, []string{}
	dir, bad := t.TempDir(), []*pki.Certificate{}
	var bundle []byte
	for n := range 5 {
		ca := pki.NewCA(fmt.Sprint("root ", n))
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000009", n)
		authorities, ids, known[id] = append(authorities, ca), append(ids, id), ca
		leaf := ca.Client("bad")
		bad = append(bad, leaf)
		list := pki.CRL{Issuer: ca, Entries: pki.Revoked(leaf)}
		switch n {
		case 0, 1:
			bundle = append(bundle, list.PEM()...)
		case 2:
			writeFile(t, filepath.Join(dir, "with its CA"), ca.PEM()+string(list.PEM()))
		case 3:
			writeFile(t, filepath.Join(dir, "text"), "Certificate Revocation List (CRL):\n    Version 2\n"+string(list.PEM()))
		case 4:
			writeFile(t, filepath.Join(dir, "mark"), "\xef\xbb\xbf"+string(list.PEM()))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bundle"), bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newStatusRig(t, known, bothModes(object{"ca_certificates": ids}), flags("-crl-dir "+dir))
	for n, ca := range authorities {
		for _, path := range []string{"/strict", "/ignore"} {
			r.expectStatus(ca.Subject.CommonName+", listed", path, bad[n], isRevoked, "from -crl-dir")
			r.expectStatus(ca.Subject.CommonName+", not listed", path, ca.Client("good"), passes)
		}
	}
}
