package verify

import (
	"encoding/json"
	"time"
)

// Report is how a certificate is decided about. Its JSON form is documented in
// docs/verify.md: fields are added, and none changes its meaning or goes.
type Report struct {
	Version string    `json:"version"` // of the program
	At      time.Time `json:"at"`      // the instant that it was judged at

	// Verdict is pass, anonymous (refused, and goes on as the anonymous consumer) or
	// refuse.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"` // passed, or a reason code
	Detail  string `json:"detail,omitempty"`
	About   string `json:"about,omitempty"` // the certificate that the reason is about
	Advice  string `json:"advice,omitempty"`
	Answer  Answer `json:"answer"`
	// Assumes is what the verdict takes for granted, since it was not checked.
	Assumes []string `json:"assumes"`

	Inputs         []Input       `json:"inputs"`
	Configuration  Configuration `json:"configuration"`
	CACertificates []CA          `json:"ca_certificates"`
	Missing        []string      `json:"missing"` // ids of ca_certificates that are not there
	Certificate    *Certificate  `json:"certificate,omitempty"`
	Chain          []Certificate `json:"chain"`    // what was sent above it
	LeftOut        int           `json:"left_out"` // certificates that were not read
	Steps          []Step        `json:"steps"`    // the checks, in the order they were made
	Paths          [][]string    `json:"paths"`    // the valid ones: subjects, leaf first
	Revocation     Revocation    `json:"revocation"`
	Names          *Names        `json:"names,omitempty"` // absent where no consumer is looked up
	Consumer       *Consumer     `json:"consumer,omitempty"`
	Groups         []string      `json:"groups"`
	Headers        []Header      `json:"headers"` // for the upstream
	Notes          []string      `json:"notes"`
	Warnings       []string      `json:"warnings"` // about the configuration and the files
	Log            []LogLine     `json:"log"`      // what Kong's log would have
}

// Answer is what the client gets.
type Answer struct {
	Status  int    `json:"status,omitempty"` // 0: the request goes on
	Message string `json:"message,omitempty"`
}

// Input is a file that was read, and what it has.
type Input struct {
	File string `json:"file"`
	What string `json:"what"`
}

// Configuration is what the plugin was configured with.
type Configuration struct {
	From   string `json:"from"`
	Plugin string `json:"plugin,omitempty"` // what it is set up for
	// Config is the plugin's, with its defaults.
	Config json.RawMessage `json:"config"`
}

// CA is a configured CA certificate.
type CA struct {
	ID string `json:"id"`
	Certificate
	TrustAnchor bool `json:"trust_anchor"`
}

// Certificate is what tells a certificate.
type Certificate struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial"`
	Fingerprint string    `json:"fingerprint"` // SHA-256
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	SANs        []string  `json:"sans"` // kind:value
}

// Step is one check.
type Step struct {
	Path  []string `json:"path"` // subjects, leaf first: the last is what was judged
	Check string   `json:"check"`
	Error string   `json:"error,omitempty"`
	// From says where the judged certificate is from: leaf, sent, or the id of a CA
	// certificate.
	From string `json:"from"`
}

// Revocation is what was found out about certificates.
type Revocation struct {
	// Mode is revocation_check_mode as it was judged by, and Configured as the
	// configuration has it. They differ where -revocation does, or where nothing can be
	// asked: then it is SKIP.
	Mode       string `json:"mode"`
	Configured string `json:"configured"`
	// Network reports that URLs were fetched, CRLDir that there was a folder of CRLs.
	Network      bool     `json:"network"`
	CRLDir       bool     `json:"crl_dir"`
	Certificates []Status `json:"certificates"`
}

// Status is that of one certificate.
type Status struct {
	Subject    string     `json:"subject"`
	Serial     string     `json:"serial"`
	State      string     `json:"state"`
	From       string     `json:"from,omitempty"`
	ThisUpdate *time.Time `json:"this_update,omitempty"`
	Until      *time.Time `json:"until,omitempty"`
	Error      string     `json:"error,omitempty"`
}

// Names are those that consumers are matched with.
type Names struct {
	Values  []string `json:"values"`
	More    bool     `json:"more"` // than are used
	LeftOut string   `json:"left_out,omitempty"`
}

// Consumer is whom the request goes on as.
type Consumer struct {
	// Rule that found it: credential, username, custom_id, default_consumer or anonymous.
	Rule       string `json:"rule"`
	By         string `json:"by,omitempty"` // the name or credential that matched
	ID         string `json:"id"`
	Username   string `json:"username,omitempty"`
	CustomID   string `json:"custom_id,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// Header is one for the upstream; an empty value removes what the client sent.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// LogLine is a line of Kong's log.
type LogLine struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Passed reports that the request goes on.
func (r *Report) Passed() bool { return r.Answer.Status == 0 }
