package luaserver

import (
	"encoding/json"
	"fmt"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/metrics"
)

// Protocol is the version of the protocol. Lua files of another one are refused.
const Protocol = 3

// question begins an exchange.
type question struct {
	Op       string `json:"op"`
	Protocol int    `json:"protocol"`
	Version  string `json:"version"` // of the Lua files

	// decide
	ID     int64  `json:"id"`     // the verdict has it, too: one of an earlier question is not taken for it
	Policy string `json:"policy"` // SHA-256 of a definition, in hexadecimal

	// decide, of mtls-auth
	Leaf     string `json:"leaf"`     // PEM; "" when the client sent no certificate
	Chain    string `json:"chain"`    // PEM
	Resumed  string `json:"resumed"`  // nginx's ssl_session_reused
	Sessions string `json:"sessions"` // of the last epochIs

	// decide, of header-cert-auth
	Headers    [][2]string `json:"headers"`    // name and value of each line that matters
	Incomplete bool        `json:"incomplete"` // there are more than were looked through
	Trusted    bool        `json:"trusted"`    // the peer is one of trusted_ips, or need not be
	From       string      `json:"peer"`       // address of the TCP peer

	// watch
	Epoch  string   `json:"epoch"`
	Listen []string `json:"listen"` // Kong's *_listen settings, without flags
	// Counts are the requests that the worker has answered since it last told.
	Counts []metrics.Count `json:"counts"`
	// Figures says that the worker has a registry of metrics.
	Figures bool `json:"figures"`
}

// definitionFollows announces the frames of a definition, in bytes altogether.
type definitionFollows struct {
	Op    string `json:"op"`
	Bytes int    `json:"bytes"`
}

// definition is a policy as a worker knows it.
type definition struct {
	// Plugin is the name of the plugin that the configuration is of, as it is installed.
	Plugin         string          `json:"plugin"`
	Config         json.RawMessage `json:"config"`
	CACertificates []struct {
		ID   string `json:"id"`
		Cert string `json:"cert"`
	} `json:"ca_certificates"`
}

// parseQuestion reads a question. Its error is for the worker's log. Lua files of any
// protocol may ping: the answer has the server's.
func parseQuestion(frame []byte) (question, error) {
	var q question
	if err := json.Unmarshal(frame, &q); err != nil {
		return q, fmt.Errorf("reading a question: %w", err)
	}
	if q.Protocol != Protocol && q.Op != "ping" {
		return q, fmt.Errorf("the Lua files are of version %q and use protocol %d, the server is of version %s and uses %d: write them again with `mtls-auth lua` and reload Kong",
			q.Version, q.Protocol, config.Version, Protocol)
	}
	return q, nil
}

// The server's answers, but for the verdict.
type (
	need struct {
		Need string `json:"need"`
	}
	wait struct {
		Wait bool `json:"wait"`
	}
	refusal struct {
		Error string `json:"error"`
	}
	lookupAsked struct {
		Lookup lookup `json:"lookup"`
	}
	epochIs struct {
		Epoch string `json:"epoch"`
		// Sessions belongs into the context of TLS sessions: see chains.
		Sessions string `json:"sessions"`
		// Figures are for the registry of Kong's prometheus plugin.
		Figures *metrics.Report `json:"figures,omitempty"`
	}
	pong struct {
		Protocol  int    `json:"protocol"`
		Version   string `json:"version"`
		PID       int    `json:"pid"`
		LuaMode   bool   `json:"lua_mode"` // the Lua plugin has started it, and may replace it
		Epoch     string `json:"epoch"`
		Decisions uint64 `json:"decisions"`
		Policies  int    `json:"policies"`
		// Deciding is how many questions are being decided; at MaxDeciding the next one
		// is answered 500.
		Deciding    int64 `json:"deciding"`
		MaxDeciding int64 `json:"max_deciding"`
	}
)

// lookup is what the worker is to look up in Kong's database.
type lookup struct {
	// Credentials are pairs of a subject_name and the id of a CA certificate, ""
	// for none.
	Credentials [][2]string `json:"credentials"`
	// Consumers are pairs of an attribute and its value.
	Consumers [][2]string `json:"consumers"`
}

// found is what it found. N is the place in the list that was asked, from 1.
type found struct {
	Op          string `json:"op"`
	Credentials []struct {
		N             int          `json:"n"`
		ID            string       `json:"id"`
		SubjectName   string       `json:"subject_name"`
		CACertificate string       `json:"ca_certificate"`
		Consumer      consumerJSON `json:"consumer"`
	} `json:"credentials"`
	Consumers []struct {
		N int `json:"n"`
		consumerJSON
	} `json:"consumers"`
	// Errors are those of lookups that failed, and of credentials whose consumer does
	// not exist.
	Errors []string `json:"errors"`
}

type consumerJSON struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	CustomID string `json:"custom_id"`
}

// The verdicts. Nothing but the first lets a request on.
const (
	verdictPass   = "pass"
	verdictRefuse = "refuse"
	verdictFault  = "fault"
)

// verdict is the whole answer about a request.
type verdict struct {
	ID      int64  `json:"id,omitempty"` // the question's
	Verdict string `json:"verdict"`
	// Status and Message end the request.
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// Headers are set on the request to the upstream; an empty value clears.
	Headers    [][2]string `json:"headers,omitempty"`
	Consumer   string      `json:"consumer,omitempty"`   // id
	Credential string      `json:"credential,omitempty"` // id
	Groups     []string    `json:"groups,omitempty"`
	Verify     string      `json:"verify"` // CLIENT_VERIFY_OVERRIDE
	Reason     string      `json:"reason"`
	Lines      [][2]string `json:"lines"`           // for Kong's log: level and text
	Again      *[2]string  `json:"again,omitempty"` // the line for each further use
	// Record is for Kong's serialized log.
	Record konglog.Record `json:"record"`
	Chain  string         `json:"chain,omitempty"` // PEM: what a resumed TLS session was completed with
	TTL    int64          `json:"ttl_ms"`          // how long it may be cached
	// Epoch is that in which it was begun: in another it must not be cached.
	Epoch string `json:"epoch"`
}
