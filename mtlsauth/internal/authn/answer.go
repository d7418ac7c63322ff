package authn

import (
	"bytes"
	"encoding/json"

	"mtls-auth/mtlsauth/internal/consumer"
)

// The sentences that a client can be told. It learns no more than these.
const (
	messageNoneSent = "No required TLS certificate was sent"
	messageFailed   = "TLS certificate failed verification"
	messageInternal = "An unexpected error occurred"
)

// Answer is what the gateway is to do with the request, in no gateway's words.
type Answer struct {
	// Status ends the request with this HTTP status and Message; 0 lets it go on.
	Status  int
	Message string

	// Headers are set on the request to the upstream. An empty value clears
	// the header: nothing that a client sent under these names survives.
	Headers []Header
	// Consumer is who the request is authenticated as; nil for nobody.
	Consumer *consumer.Consumer
	// CredentialID is the id of the credential to leave for later plugins; ""
	// for none. It belongs to Consumer, if there is one.
	CredentialID string
	// Groups go into authenticated_groups for the ACL plugin; nil for none.
	Groups []string
	// ClientVerify is the verdict for Kong's log serializer: SUCCESS, NONE or
	// FAILED:reason.
	ClientVerify string
}

// Body returns the message as Kong's own plugins send it, JSON; nil for none.
func (a *Answer) Body() []byte {
	if a.Message == "" {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Message string `json:"message"`
	}{a.Message}); err != nil {
		panic(err) // a string always marshals
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// HeaderValues returns the headers as Kong's set_headers takes them, which clears
// a header with an empty list.
func (a *Answer) HeaderValues() map[string][]string {
	values := make(map[string][]string, len(a.Headers))
	for _, h := range a.Headers {
		values[h.Name] = []string{}
		if h.Value != "" {
			values[h.Name] = []string{h.Value}
		}
	}
	return values
}

// Header is a request header.
type Header struct{ Name, Value string }

// Headers that tell an upstream about a certificate, and those that tell it
// about a consumer.
const (
	HeaderCertDN  = "X-Client-Cert-Dn"
	HeaderCertSAN = "X-Client-Cert-San"
)

const (
	headerConsumerID       = "X-Consumer-ID"
	headerConsumerCustomID = "X-Consumer-Custom-ID"
	headerConsumerUsername = "X-Consumer-Username"
	headerCredential       = "X-Credential-Identifier"
	headerAnonymous        = "X-Anonymous-Consumer"
)

// HeaderNames returns every request header that an answer sets or clears.
func HeaderNames() []string {
	return []string{
		headerConsumerID, headerConsumerCustomID, headerConsumerUsername, headerCredential, headerAnonymous,
		HeaderCertDN, HeaderCertSAN,
	}
}

// Deny returns a decision that ends the request: with 401 for what a client
// can mend and 500 for what is ours to mend.
func Deny(r Reason, err error) *Decision {
	status, message := 401, messageFailed
	verify := "FAILED:" + r.String()
	switch r {
	case NoneSent:
		message, verify = messageNoneSent, "NONE"
	case Internal, BadConfig, LookupFailed:
		status, message = 500, messageInternal
	case Passed: // a contradiction in terms
		r, status, message, verify = Internal, 500, messageInternal, "FAILED:"+Internal.String()
	}
	// Of an error only its words are kept: those of path validation hold the
	// certificate, which a client can make thousands of times its size.
	detail := ""
	if err != nil {
		detail = cut(err.Error())
	}
	return &Decision{Reason: r, Detail: detail, Answer: &Answer{
		Status:       status,
		Message:      message,
		ClientVerify: verify,
	}}
}

// denyUnavailable is the denial of a request whose evidence could not be had
// through no fault of the client.
func denyUnavailable(r Reason, err error) *Decision {
	d := Deny(r, err)
	d.Answer.Status, d.Answer.Message = 500, messageInternal
	return d
}
