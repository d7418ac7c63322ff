package pki

import (
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/ocsp"
)

// Responder is an OCSP responder for the certificates of one issuer. It says
// good or revoked of those that it was told of and unknown of the others, and
// answers requests by GET (RFC 6960, appendix A.1) and POST. It may be changed
// while it runs.
type Responder struct {
	*listener // with its lock for the fields below
	issuer    *Certificate
	singles   map[string]OCSPSingle
	change    func(*OCSPResponse)
	requests  []OCSPRequest
}

// OCSPRequest is a request that a Responder has got.
type OCSPRequest struct {
	Method string
	Serial *big.Int // nil where the request could not be read
}

// NewResponder returns a responder that does not listen: it is a handler. Start
// gives it an address.
func NewResponder(issuer *Certificate) *Responder {
	return &Responder{issuer: issuer, singles: map[string]OCSPSingle{}, listener: newListener()}
}

// Start listens on a port of the loopback interface and returns the address of
// the responder, for OCSPServer. It is called at most once.
func (r *Responder) Start() string { return r.listen(r, "") }

// Good makes the responder know the certificates.
func (r *Responder) Good(certs ...*Certificate) {
	for _, c := range certs {
		r.Set(Single(c, OCSPGood))
	}
}

// Revoke makes the responder say that the certificate was revoked for this
// reason, none being given for 0.
func (r *Responder) Revoke(cert *Certificate, reason int) {
	s := Single(cert, OCSPRevoked)
	s.Reason = reason
	r.Set(s)
}

// Set makes the responder answer with this entry for its serial number.
func (r *Responder) Set(s OCSPSingle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.singles[s.Serial.String()] = s
}

// Forget makes the responder not know the certificate.
func (r *Responder) Forget(cert *Certificate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.singles, cert.SerialNumber.String())
}

// Change has every response changed before it is signed, nil none. It holds one
// entry: change is where to set the signer, or times relative to now.
func (r *Responder) Change(change func(*OCSPResponse)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change = change
}

// Requests returns those that came, also those that were not answered.
func (r *Responder) Requests() []OCSPRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Count returns how many requests came for the certificate.
func (r *Responder) Count(cert *Certificate) int {
	n := 0
	for _, request := range r.Requests() {
		if request.Serial != nil && request.Serial.Cmp(cert.SerialNumber) == 0 {
			n++
		}
	}
	return n
}

// ServeHTTP answers a request over HTTP.
func (r *Responder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	der := requestDER(request)
	asked, _ := ocsp.ParseRequest(der)
	seen := OCSPRequest{Method: request.Method}
	if asked != nil {
		seen.Serial = asked.SerialNumber
	}
	r.mu.Lock()
	r.requests = append(r.requests, seen)
	r.mu.Unlock()
	trouble, answers := r.answers(request)
	if !answers {
		return
	}
	if trouble.Status != 0 {
		w.WriteHeader(trouble.Status)
		w.Write(trouble.Body)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.Write(r.Respond(der))
}

// Respond answers the DER of a request as a responder does whose way is clear.
func (r *Responder) Respond(request []byte) []byte {
	asked, err := ocsp.ParseRequest(request)
	if err != nil {
		return OCSPResponse{ResponseStatus: 1}.DER() // malformedRequest
	}
	name, key := hashed(asked.HashAlgorithm, r.issuer.RawSubject), hashed(asked.HashAlgorithm, publicKeyBits(r.issuer))
	if !slices.Equal(asked.IssuerNameHash, name) || !slices.Equal(asked.IssuerKeyHash, key) {
		return OCSPResponse{ResponseStatus: 6}.DER() // unauthorized
	}
	r.mu.Lock()
	single, known := r.singles[asked.SerialNumber.String()]
	change := r.change
	r.mu.Unlock()
	if !known {
		single = OCSPSingle{Serial: asked.SerialNumber, Status: OCSPUnknown}
	}
	response := OCSPResponse{Issuer: r.issuer, Singles: []OCSPSingle{single}}
	if change != nil {
		change(&response)
	}
	return response.DER()
}

// requestDER returns the OCSPRequest within a request, nil where there is none.
func requestDER(request *http.Request) []byte {
	const maxRequest = 16 << 10 // requests have some 100 bytes
	if request.Method == http.MethodPost {
		der, err := io.ReadAll(io.LimitReader(request.Body, maxRequest))
		if err != nil || request.Header.Get("Content-Type") != "application/ocsp-request" {
			return nil
		}
		return der
	}
	text, err := url.PathUnescape(strings.TrimPrefix(request.URL.EscapedPath(), "/"))
	if err != nil {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return der
}
