package pki_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestCRL reads what is made with crypto/x509.
func TestCRL(t *testing.T) {
	ca := pki.NewCA("ca")
	client := ca.Client("client", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{"http://a/"}, Reasons: []int{1}}))
	if got := client.CRLDistributionPoints; len(got) != 1 || got[0] != "http://a/" {
		t.Errorf("got distribution points %v", got)
	}
	list, err := x509.ParseRevocationList(pki.CRL{
		Issuer: ca, Number: 7, Entries: []pki.CRLEntry{{Serial: client.SerialNumber, Reason: 4}}, RawEntries: pki.Serials(200, 20),
	}.DER())
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca.Certificate); err != nil {
		t.Error(err)
	}
	entries := list.RevokedCertificateEntries
	if len(entries) != 201 || entries[0].SerialNumber.Cmp(client.SerialNumber) != 0 || entries[0].ReasonCode != 4 || list.Number.Int64() != 7 {
		t.Errorf("got %d entries, number %v", len(entries), list.Number)
	}
	seen := map[string]bool{}
	for i, e := range entries[1:] {
		if serial := e.SerialNumber.Bytes(); !bytes.Equal(serial, pki.SerialOf(i, 20)) || len(serial) != 20 || seen[string(serial)] {
			t.Errorf("entry %d: got %x, want %x, once", i, serial, pki.SerialOf(i, 20))
		} else {
			seen[string(serial)] = true
		}
	}
}

// TestCRLHost asks a host as a client does that revalidates.
func TestCRLHost(t *testing.T) {
	h := pki.NewCRLHost([]byte("one"))
	url := h.Start()
	defer h.Close()
	get := func(header ...string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	first, body := get()
	tag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
	if first.StatusCode != 200 || body != "one" || tag == "" || modified == "" {
		t.Errorf("got %s, %q, %q, %q", first.Status, body, tag, modified)
	}
	for _, header := range [][]string{{"If-None-Match", tag}, {"If-Modified-Since", modified}} {
		if again, body := get(header...); again.StatusCode != 304 || body != "" {
			t.Errorf("%s: got %s, %q", header[0], again.Status, body)
		}
	}
	h.Set([]byte("two"))
	for _, header := range [][]string{{"If-None-Match", tag}, {"If-Modified-Since", modified}, {"If-None-Match", tag, "If-Modified-Since", time.Now().UTC().Format(http.TimeFormat)}} {
		if again, body := get(header...); again.StatusCode != 200 || body != "two" {
			t.Errorf("%s after a change: got %s, %q", header[0], again.Status, body)
		}
	}
	h.Trouble(pki.Trouble{Status: 503, Body: []byte("no")})
	if again, body := get(); again.StatusCode != 503 || body != "no" {
		t.Errorf("got %s, %q", again.Status, body)
	}
	h.Trouble(pki.Trouble{})
	h.NoValidators()
	if again, _ := get("If-None-Match", `"2"`); again.StatusCode != 200 || again.Header.Get("ETag") != "" {
		t.Errorf("without validators: got %s, %q", again.Status, again.Header.Get("ETag"))
	}
	if h.Count(200) != 5 || h.Count(304) != 2 || h.Count(503) != 1 || h.Requests()[1].IfNoneMatch != tag {
		t.Errorf("counted %+v", h.Requests())
	}
}
