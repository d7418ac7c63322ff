package authn

import (
	"bytes"
	"encoding/hex"
	"encoding/json"

	"mtls-auth/mtlsauth/internal/consumer"
)

// The sentences that a client can be told. It learns no more than these.
const (
	messageNoneSent = "No required TLS certificate was sent"
	messageFailed   = "TLS certificate failed verification"
	messageInternal = "An unexpected error occurred"
)

// Answer is what the gateway is to do with the request.
type Answer struct {
	// Status ends the request with this HTTP status and Message; 0 lets it go on.
	Status  int
	Message string

	// Headers are set on the request to the upstream. An empty value clears
	// the header: nothing that a client sent under these names survives.
	Headers []Header
	// Clear are other spellings of Headers, with "_" for "-", that are cleared too: what
	// came of them, or all.
	Clear []string
	// Consumer is whom the request is authenticated as; nil for no consumer.
	Consumer *consumer.Consumer
	// CredentialID is the id of the credential to leave for later plugins; ""
	// for none. It belongs to Consumer, if there is one.
	CredentialID string
	// Groups go into authenticated_groups for the ACL plugin; nil for none.
	Groups []string
	// ClientVerify is the verdict for Kong's log serializer: SUCCESS, NONE or
	// FAILED:reason; "" leaves it as it is.
	ClientVerify string
}

// Answer returns what to do with the request. It fails closed: only a decision that goes
// on has an answer without a status.
func (d *Decision) Answer() *Answer {
	a := &Answer{Status: d.Status(), ClientVerify: d.clientVerify()}
	switch {
	case a.Status == 0:
		d.pass(a)
	case d.message != "":
		a.Message = d.message
	case a.Status >= 500:
		a.Message = messageInternal
	case d.Reason == NoneSent:
		a.Message = messageNoneSent
	default:
		a.Message = messageFailed
	}
	return a
}

func (d *Decision) clientVerify() string {
	switch {
	case d.earlier:
		return ""
	case d.Reason == Passed:
		return "SUCCESS"
	case d.Reason == NoneSent:
		return "NONE"
	}
	return "FAILED:" + d.Reason.String()
}

// pass tells the upstream and later plugins who it is.
func (d *Decision) pass(a *Answer) {
	defer d.tell(a)
	if d.earlier { // the headers of the other plugin's consumer stay
		a.Headers = []Header{{headerCertDN, ""}, {headerCertSAN, ""}}
		return
	}
	var id, customID, username, anonymous string
	a.Consumer, a.CredentialID, a.Groups = d.Consumer, d.CredentialID, d.groups
	shown := a.CredentialID
	if c := d.Consumer; c != nil {
		id, customID, username = c.ID, c.CustomID, c.Username
	} else {
		a.CredentialID, shown = hex.EncodeToString(d.Subject.Fingerprint[:]), ""
	}
	if d.Anonymous {
		anonymous = "true"
	}
	a.Headers = []Header{
		{headerConsumerID, sendable(id)},
		{headerConsumerCustomID, sendable(customID)},
		{headerConsumerUsername, sendable(username)},
		{headerCredential, sendable(shown)},
		{headerAnonymous, anonymous},
		{headerCertDN, d.certDN},
		{headerCertSAN, d.certSAN},
	}
}

// tell sets or clears the headers of upstream_certificate_headers.
func (d *Decision) tell(a *Answer) {
	if !d.clears {
		return
	}
	told := d.told
	for _, name := range upstreamNames {
		if len(told) > 0 && told[0].Name == name { // they are in one order
			a.Headers, told = append(a.Headers, told[0]), told[1:]
		} else {
			a.Headers = append(a.Headers, Header{Name: name})
		}
	}
	a.Clear = upstreamSpellings
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
	for _, name := range a.Clear {
		values[name] = []string{}
	}
	return values
}

// Header is a request header.
type Header struct{ Name, Value string }

// The headers that tell an upstream about a consumer or a certificate.
const (
	headerCertDN           = "X-Client-Cert-Dn"
	headerCertSAN          = "X-Client-Cert-San"
	headerConsumerID       = "X-Consumer-ID"
	headerConsumerCustomID = "X-Consumer-Custom-ID"
	headerConsumerUsername = "X-Consumer-Username"
	headerCredential       = "X-Credential-Identifier"
	headerAnonymous        = "X-Anonymous-Consumer"
)

// HeaderNames returns the request headers that every answer sets or clears;
// [UpstreamHeaderNames] has others.
func HeaderNames() []string {
	return []string{
		headerConsumerID, headerConsumerCustomID, headerConsumerUsername, headerCredential, headerAnonymous,
		headerCertDN, headerCertSAN,
	}
}

// Deny returns a decision that ends the request: with 401 for what a client can mend and
// 500 for what is ours to mend. err is the cause, for the log; nil for none.
func Deny(r Reason, err error) *Decision {
	if r == Passed { // a contradiction in terms
		r = Internal
	}
	// Of an error only its words are kept: those of path validation have the
	// certificate, which a client can make thousands of times its size.
	d := &Decision{Reason: r}
	if err != nil {
		d.Detail = cut(err.Error())
	}
	return d
}
