package ocsp_test

import (
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

func readFile(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readCert(t *testing.T, path ...string) *certificate.Certificate {
	t.Helper()
	block, _ := pem.Decode(readFile(t, path...))
	if block == nil {
		t.Fatalf("%v holds no PEM", path)
	}
	cert, err := certificate.Parse(block.Bytes)
	if err != nil {
		t.Fatalf("%v: %v", path, err)
	}
	return cert
}

// vector is a response with the certificate that it has to be about.
type vector struct {
	name, response, cert, issuer string
	good                         bool
}

// opensslVectors are the 55 checks that OpenSSL makes with its files.
func opensslVectors() []vector {
	certs := map[string][2]string{
		"D1": {"D1_Cert_EE", "D1_Issuer_ICA"}, "D2": {"D2_Cert_ICA", "D2_Issuer_Root"}, "D3": {"D3_Cert_EE", "D3_Issuer_Root"},
		"ND1": {"ND1_Cert_EE", "ND1_Issuer_ICA"}, "ND2": {"ND2_Cert_ICA", "ND2_Issuer_Root"}, "ND3": {"ND3_Cert_EE", "ND3_Issuer_Root"},
	}
	vectors := []vector{{"ND1_Cross", "ND1", "ND1_Cert_EE", "ND1_Issuer_ICA-Cross", true}}
	for base, c := range certs {
		vectors = append(vectors, vector{base, base, c[0], c[1], true})
		for _, tampered := range []string{"ISOP", "WRID", "WINH", "WIKH", "WKDOSC", "ISDOSC"} {
			if strings.HasSuffix(tampered, "DOSC") && base[0] != 'D' {
				continue // there is no delegated certificate
			}
			vectors = append(vectors, vector{tampered + "_" + base, tampered + "_" + base, c[0], c[1], false})
		}
		for _, issuer := range []string{"WSNIC", "WKIC", "ISIC"} {
			// The signature on the issuer is for path validation to verify.
			vectors = append(vectors, vector{issuer + "_" + base, base, c[0], issuer + "_" + c[1], issuer == "ISIC"})
		}
	}
	return vectors
}

// TestOpenSSL judges OpenSSL's vectors. At the time that it checks them most of
// the answers are over, which OpenSSL only warns of: so they are Stale where it
// has them good, which is said of nothing that does not verify, and good when
// they were produced.
func TestOpenSSL(t *testing.T) {
	folder := suites.Folder(t, "openssl-ocsp", "OCSP goes")
	checkTime := time.Unix(1355875200, 0)
	right := 0
	vectors := opensslVectors()
	for _, v := range vectors {
		der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(readFile(t, folder, v.response+".ors"))), "\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		cert, issuer := readCert(t, folder, v.cert+".pem"), readCert(t, folder, v.issuer+".pem")
		times, err := xocsp.ParseResponse(readDirect(der), nil)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		ours := func(now time.Time, sha1 bool) string {
			judge := ocsp.Judge
			if sha1 {
				judge = ocsp.JudgeSHA1
			}
			answer, err := judge(der, issuer, cert.SerialNumber(), ocsp.Options{Now: now})
			checkResult(t, answer, err)
			return verdict(answer, err)
		}
		atCheck, while, noSHA1 := ours(checkTime, true), ours(times.ProducedAt, true), ours(times.ProducedAt, false)
		wantAtCheck := "good"
		if checkTime.After(times.NextUpdate) {
			wantAtCheck = "stale"
		}
		ok := atCheck == wantAtCheck && while == "good"
		if !v.good {
			ok = !slices.Contains([]string{"stale", "good"}, atCheck) && while == atCheck
		}
		if ok && noSHA1 == "weak_algorithm" {
			right++
			continue
		}
		t.Errorf("%s: got %s at the time of the check, %s when produced, %s without SHA-1; good is %v", v.name, atCheck, while, noSHA1, v.good)
	}
	t.Logf("%d of %d right", right, len(vectors))
	if len(vectors) != 55 {
		t.Errorf("there are %d vectors, want 55", len(vectors))
	}
}

// readDirect leaves the embedded certificates out, so that x/crypto/ocsp does
// not verify: it tells the times even of a response that is tampered with.
func readDirect(der []byte) []byte {
	return edit(func(root *node) {
		octets := root.children[1].children[0].children[1]
		octets.content = edit(func(basic *node) { basic.children = basic.children[:3] })(octets.content)
	})(der)
}

// oddResponses are third-party responses, most of them odd in one way, with
// what comes of asking them about a certificate of another issuer: those that
// can be read end at their signer.
var oddResponses = map[string]string{
	"ocsp-army.deps.mil-resp.der":           "unauthorized",
	"resp-delegate-unknown-cert.der":        "unauthorized",
	"resp-invalid-signature-oid.der":        "weak_algorithm",
	"resp-responder-key-hash.der":           "unauthorized",
	"resp-response-type-unknown-oid.der":    "malformed",
	"resp-revoked-no-next-update.der":       "unauthorized",
	"resp-revoked-reason.der":               "unauthorized",
	"resp-revoked.der":                      "unauthorized",
	"resp-sct-extension.der":                "unauthorized",
	"resp-sha256.der":                       "unauthorized",
	"resp-single-extension-reason.der":      "unauthorized",
	"resp-successful-no-response-bytes.der": "malformed",
	"resp-unauthorized.der":                 "unsuccessful",
	"resp-unknown-extension.der":            "unauthorized",
	"resp-unknown-hash-alg.der":             "unauthorized",
	"resp-unknown-response-status.der":      "unsuccessful",
}

func TestOddResponses(t *testing.T) {
	folder := filepath.Join(suites.Folder(t, "pyca", "OCSP goes"), "ocsp")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	ca := pki.NewCA("ca")
	read := 0
	for _, file := range files {
		der := readFile(t, folder, file.Name())
		want, known := oddResponses[file.Name()]
		if known {
			read++
		}
		for _, serial := range serialsIn(der) {
			for _, year := range []int{2012, 2018, 2020, 2026} {
				o := ocsp.Options{Now: time.Date(year, 9, 1, 0, 0, 0, 0, time.UTC), MinRSABits: 1024}
				answer, err := ocsp.JudgeSHA1(der, ca.Read(), serial, o)
				lasting, lastingErr := judgeLasting(t, der, ca.Read(), serial, o)
				if err == nil || lastingErr == nil {
					t.Errorf("%s: got %+v and %+v", file.Name(), answer, lasting)
				}
				if got := verdict(answer, err); known && got != want {
					t.Errorf("%s: got %s (%v), want %s", file.Name(), got, err, want)
				}
			}
		}
	}
	if read < len(oddResponses) {
		t.Errorf("%d responses, want %d", read, len(oddResponses))
	}
}

// serialsIn returns the serial number that a response is about, if it can be
// read, and another.
func serialsIn(der []byte) []*big.Int {
	serials := []*big.Int{big.NewInt(1)}
	if r, err := xocsp.ParseResponse(der, nil); err == nil {
		serials = append(serials, r.SerialNumber)
	}
	return serials
}
