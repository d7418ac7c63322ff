package faults

import (
	"encoding/json"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

type object = map[string]any

// client is who makes requests.
type client struct {
	name      string
	cert      *pki.Certificate // nil: none
	authority *authority
	wrong     []string // the reasons for which it is refused where its CA is trusted
}

// world is what Kong's configuration says: all that changes in it.
type world struct {
	hasC     bool   // the CA certificate of /chain is there
	consumer bool   // the consumer of a-other is there
	others   bool   // /shared trusts the other tenant's CA instead of A
	mapped   string // the consumer that /shared maps a-good to
}

// era is how long a world may have been in force: from when Kong was told of it until Kong
// had taken over the next one.
type era struct {
	world
	from, to time.Time
}

// Ids of entities in Kong.
const (
	idA  = "aaaaaaaa-0000-4000-8000-000000000001"
	idB  = "bbbbbbbb-0000-4000-8000-000000000002"
	idB1 = "bbbbbbbb-0000-4000-8000-000000000003"
	idC  = "cccccccc-0000-4000-8000-000000000004"
	idD  = "dddddddd-0000-4000-8000-000000000005"
)

var consumers = map[string]string{
	"a-good": "00000000-0000-4000-8000-000000000001", "a-other": "00000000-0000-4000-8000-000000000002",
	"a-revoked": "00000000-0000-4000-8000-000000000003", "a-turns": "00000000-0000-4000-8000-000000000004",
	"one": "00000000-0000-4000-8000-000000000005", "two": "00000000-0000-4000-8000-000000000006",
	"guest": "00000000-0000-4000-8000-000000000007",
}

// route is a route with the plugin, as it is configured in a world.
type route struct {
	path      string
	trusted   func(world) []string // ids of CA certificates
	mode      string
	byName    bool // consumers are looked up
	mapped    bool
	anonymous bool
}

func ids(all ...string) func(world) []string { return func(world) []string { return all } }

var routes = []route{
	{path: "/strict", trusted: ids(idA), mode: "STRICT", byName: true},
	{path: "/soft", trusted: ids(idA), mode: "IGNORE_CA_ERROR"},
	{path: "/anonymous", trusted: ids(idA), mode: "STRICT", byName: true, anonymous: true},
	{path: "/crl", trusted: ids(idB, idB1), mode: "STRICT"},
	{path: "/chain", trusted: ids(idC), mode: "SKIP"},
	{path: "/folder", trusted: ids(idD), mode: "STRICT"},
	{path: "/shared", mode: "SKIP", mapped: true, trusted: func(w world) []string {
		if w.others {
			return []string{idB, idB1}
		}
		return []string{idA}
	}},
}

// The bounds of what follows a change: in Lua mode the next request; else two -refresh
// periods for CA certificates, and cache_ttl for consumers after a lookup of 2 s at most.
// A machine under load reads its sources late, and then keeps what it knows: hence more
// for CA certificates, for which the end of each simulation is exact.
var (
	caBound       = map[string]time.Duration{pluginServerMode: 15 * time.Second}
	consumerBound = map[string]time.Duration{pluginServerMode: 4 * time.Second}
)

// certCacheTTL is cert_cache_ttl of all routes.
const certCacheTTL = time.Second

func (s *simulation) declarative(w world) []byte {
	var certificates, people, paths []object
	for id, ca := range s.cas {
		if id != idC || w.hasC {
			certificates = append(certificates, object{"id": id, "cert": ca.PEM()})
		}
	}
	for name, id := range consumers {
		if name != "a-other" || w.consumer {
			people = append(people, object{"id": id, "username": name})
		}
	}
	for _, r := range routes {
		config := object{
			"ca_certificates": r.trusted(w), "revocation_check_mode": r.mode, "consumer_by": []string{"username"},
			"skip_consumer_lookup": !r.byName && !r.mapped, "cert_cache_ttl": certCacheTTL.Milliseconds(), "cache_ttl": 1, "http_timeout": 3000,
		}
		if r.anonymous {
			config["anonymous"] = "guest"
		}
		if r.mapped {
			config["consumer_by"] = []string{}
			config["credentials"] = []object{{"subject_name": "a-good", "consumer": w.mapped}}
		}
		paths = append(paths, object{"name": r.path[1:], "paths": []string{r.path}, "plugins": []object{{"name": "mtls-auth", "config": config}}})
	}
	all := object{
		"_format_version": "3.0", "ca_certificates": certificates, "consumers": people,
		"services": []object{{"name": "echo", "url": s.upstream.URL, "routes": paths}},
	}
	if s.mode == pluginServerMode {
		all["plugins"] = []object{{"name": "pre-function", "config": object{
			"certificate": []string{handshake.Certificate}, "access": []string{handshake.Access}}}}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // maps, lists and strings
	}
	return text
}

// outcome is how a request may end.
type outcome struct {
	status int
	reason string // "" for a pass
	who    string // the consumer, or the subject where none is looked up
}

// evidence is what may be known about a certificate's status.
type evidence string

const (
	good    evidence = "good"
	revoked evidence = "revoked"
	unknown evidence = "unknown"
	unasked evidence = "unasked" // the path was not that far
)

// outcomes are the right answers to a client on a route where this is the configuration of
// the route, that of CA certificates, that of consumers, and the evidence.
func (r route) outcomes(c *client, configured, cas, people world, e evidence) []outcome {
	refused := func(reasons ...string) []outcome {
		var all []outcome
		for _, reason := range reasons {
			if r.anonymous {
				all = append(all, outcome{200, "", "guest"})
			} else {
				all = append(all, outcome{401, reason, ""})
			}
		}
		return all
	}
	trusted := r.trusted(configured)
	switch {
	case c.cert == nil:
		return refused("none_sent")
	case slices.Equal(trusted, []string{idC}) && !cas.hasC:
		return []outcome{{500, "ca_not_loaded", ""}}
	case c.authority == nil || !slices.Contains(trusted, c.authority.id):
		return refused(append([]string{"issuer_not_found", "bad_signature"}, c.wrong...)...)
	case len(c.wrong) > 0:
		return refused(c.wrong...)
	case r.mode != "SKIP" && e == unasked:
		return nil
	case r.mode != "SKIP" && e == revoked:
		return refused(append([]string{"revoked"}, r.noConsumer(c, people)...)...)
	case r.mode == "STRICT" && e == unknown:
		return refused(append([]string{"status_unknown"}, r.noConsumer(c, people)...)...)
	case r.mapped:
		if c.name == "a-good" {
			return []outcome{{200, "", configured.mapped}}
		}
		return refused("no_consumer")
	case r.byName:
		if none := r.noConsumer(c, people); none != nil {
			return refused(none...)
		}
		return []outcome{{200, "", c.name}}
	}
	return []outcome{{200, "", "CN=" + c.name}}
}

// noConsumer is the reason of a refusal where consumers are looked up and the client has none.
// It may be given before status is known, or after.
func (r route) noConsumer(c *client, people world) []string {
	if _, ok := consumers[c.name]; r.byName && (!ok || c.name == "a-other" && !people.consumer) {
		return []string{"no_consumer"}
	}
	return nil
}
