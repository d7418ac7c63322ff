package e2e

import (
	"testing"

	"mtls-auth/mtlsauth/internal/pkitest"
)

func checked(mode string, change ...object) object {
	return trusted([]string{idA}, append([]object{{"revocation_check_mode": mode}}, change...)...)
}

// OCSP, in both modes that check.
func TestStatusByOCSP(t *testing.T) {
	root := pkitest.NewCA("root")
	responder := pkitest.NewResponder(root)
	url := responder.Start()
	defer responder.Close()
	good, bad, unknown := root.Client("good", pkitest.OCSPServer(url)), root.Client("bad", pkitest.OCSPServer(url)), root.Client("unknown", pkitest.OCSPServer(url))
	responder.Good(good)
	responder.Revoke(bad, 1)
	r := newRig(t, cas{idA: root}, routes{"/strict": checked("STRICT"), "/ignore": checked("IGNORE_CA_ERROR")})
	for _, path := range []string{"/strict", "/ignore"} {
		r.expect(path, r.get(path, good), 200, "")
		r.expect(path, r.get(path, bad), 401, failed)
		r.expectLog(path, `reason="revoked"`)
		r.expect(path, r.get(path, unknown), 401, failed)
		r.expectLog(path, `reason="status_unknown"`)
	}
	for _, c := range []*pkitest.Certificate{good, bad, unknown} {
		if n := responder.Count(c); n != 1 {
			t.Errorf("%s was asked about %d times, want once for both routes", c.Subject, n)
		}
	}
	none := root.Client("none")
	r.expect("none", r.get("/strict", none), 401, failed)
	r.expect("none", r.get("/ignore", none), 200, "")
}
