package mtlsauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	pdk "github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/lru"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// maxHeaders is how many lines of headers Kong hands over at most
// (kong.request.get_headers). It does not say when there are more.
const maxHeaders = 1000

// What header-cert-auth asks, in one write. All headers, because Kong finds a single one
// under the spelling with _ for - as well, and of several lines the first.
var (
	askHeaders = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Client.GetIp()
		kong.Request.GetHeaders(maxHeaders)
		return nil
	})
	askHeadersAndCredential = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Client.GetIp()
		kong.Client.GetCredential()
		kong.Request.GetHeaders(maxHeaders)
		return nil
	})
)

// fromHeaders is what a proxy handed over in the headers of a request, and the names of the
// headers that must not reach the upstream.
func (in instance) fromHeaders(e *pluginserver.Event) (p authn.Presented, cleared []string, err error) {
	questions := askHeaders
	if in.AsksCredential() {
		questions = askHeadersAndCredential
	}
	replies, err := e.Ask(questions)
	if err != nil {
		return p, nil, err
	}
	address, err := stringField(replies[0], stringV)
	if err != nil {
		return p, nil, err
	}
	// The replies are gone with the next question.
	headers := replies[len(replies)-1]
	peer, authenticated := string(address), len(replies) > 2 && len(replies[1]) > 0

	settings, request := in.Header(), certheader.Request{}
	total, err := eachHeader(headers, func(name, value []byte) {
		if settings.Concerns(string(name)) {
			request.Lines = append(request.Lines, certheader.Line{Name: string(name), Value: string(value)})
		}
		if settings.Hides(string(name)) || isOurs(string(name), in.TellsUpstream()) {
			cleared = append(cleared, string(name))
		}
	})
	if err != nil {
		return p, nil, err
	}
	request.Incomplete = total >= maxHeaders
	if request.Incomplete {
		cleared = append(cleared, unseen(in.TellsUpstream())...)
		hidden, err := hiddenSpellings(settings)
		if err != nil {
			return p, nil, err
		}
		cleared = append(cleared, hidden...)
	}
	if settings.SecureSource && len(request.Lines) > 0 {
		if request.Trusted, err = in.peers.trusted(e, peer); err != nil {
			return p, nil, err
		}
	}
	p = in.Presented(request, peer)
	p.Authenticated = authenticated
	return p, cleared, nil
}

// isOurs tells whether a header is another spelling, with _ for -, of one that an answer
// sets: upstreams that know no difference would take it for that.
func isOurs(name string, upstream bool) bool {
	if !strings.Contains(name, "_") {
		return false
	}
	name = strings.ReplaceAll(name, "_", "-")
	is := func(ours string) bool { return strings.EqualFold(name, ours) }
	return slices.ContainsFunc(authn.HeaderNames(), is) || upstream && slices.ContainsFunc(authn.UpstreamHeaderNames(), is)
}

// otherSpellings returns the headers of a request that are ours in another spelling. Where
// there may be more headers than Kong hands over, it is all that could be.
func otherSpellings(reply []byte) (cleared []string, err error) {
	total, err := eachHeader(reply, func(name, _ []byte) {
		if isOurs(string(name), true) {
			cleared = append(cleared, string(name))
		}
	})
	if total >= maxHeaders {
		cleared = append(cleared, unseen(true)...)
	}
	return cleared, err
}

// unseen are other spellings of headers that are ours, for a request that may have more
// headers than Kong hands over.
func unseen(upstream bool) (names []string) {
	for _, name := range authn.HeaderNames() {
		names = append(names, authn.Spellings(name)[1:]...)
	}
	if upstream {
		for _, name := range authn.UpstreamHeaderNames() {
			names = append(names, authn.Spellings(name)[1:]...)
		}
	}
	return names
}

// maxDashes bounds the spellings of a header that are cleared unseen.
const maxDashes = 8

// hiddenSpellings are all spellings of the headers that are kept from the upstream, for such
// a request. It fails closed where they are too many.
func hiddenSpellings(settings *certheader.Settings) (names []string, err error) {
	for _, name := range []string{settings.Name, settings.ChainName} {
		if name == "" || !settings.Hides(name) {
			continue
		}
		name = strings.ReplaceAll(name, "_", "-")
		if strings.Count(name, "-") > maxDashes {
			return nil, fmt.Errorf("%d header lines or more, so %q cannot be hidden in every spelling", maxHeaders, name)
		}
		names = append(names, authn.Spellings(name)...)
	}
	return names, nil
}

var errNoHeaders = errors.New("reading a reply of Kong: no headers")

// eachHeader calls line for each line of Kong's headers, a google.protobuf.Struct whose values
// are strings, or lists of them where a header has several lines. Names are in lower case. It
// returns how many lines there are; that there is none is an error, as no request is without.
func eachHeader(reply []byte, line func(name, value []byte)) (total int, err error) {
	err = eachContent(reply, structFields, func(entry []byte) error {
		name, err := stringField(entry, mapKey)
		if err == nil && len(name) == 0 {
			err = errNoHeaders
		}
		if err != nil {
			return err
		}
		value, err := stringField(entry, mapValue)
		if err != nil {
			return err
		}
		one := func(value []byte) error {
			text, err := stringField(value, valueString)
			total++
			line(name, text)
			return err
		}
		list, err := stringField(value, valueList)
		if err != nil {
			return err
		}
		if list == nil {
			return one(value)
		}
		return eachContent(list, listValues, one)
	})
	if err == nil && total == 0 {
		err = errNoHeaders
	}
	return total, err
}

// peers remembers which addresses are in Kong's trusted_ips, which do not change as long as
// the worker lives whose instance has them.
type peers struct {
	settings *settings

	mu    sync.Mutex
	known *lru.Cache[string, bool]
}

// maxPeers is for proxies, and for what else may reach Kong.
const maxPeers = 1024

func newPeers(s *settings) *peers {
	return &peers{settings: s, known: lru.New[string, bool](maxPeers, 0, nil)}
}

// trusted tells whether a TCP peer is in trusted_ips. An IPv4 address comes as an IPv6 one
// on a listener for both (RFC 4291, section 2.5.5.2), and may be there in either form.
func (p *peers) trusted(e *pluginserver.Event, peer string) (bool, error) {
	trusted, err := p.ask(e, peer)
	if address, mapped := strings.CutPrefix(peer, "::ffff:"); err == nil && !trusted && mapped && strings.Contains(address, ".") {
		return p.ask(e, address)
	}
	return trusted, err
}

// ask asks Kong, once for each address.
func (p *peers) ask(e *pluginserver.Event, peer string) (bool, error) {
	if peer == "" {
		return false, nil
	}
	p.mu.Lock()
	trusted, ok := p.known.Get(peer)
	p.mu.Unlock()
	if ok {
		return trusted, nil
	}
	if peer == unixPeer && p.settings.trustsUnix() {
		p.remember(peer, true)
		return true, nil
	}
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		_, err := kong.IP.IsTrusted(peer)
		kong.Nginx.GetSubsystem()
		return err
	})
	if err != nil {
		return false, err
	}
	replies, err := e.Ask(calls)
	if err != nil {
		return false, err
	}
	if replies, err = answered(replies); err != nil {
		return false, err
	}
	if trusted, err = boolField(replies[0], boolV); err != nil {
		return false, err
	}
	p.remember(peer, trusted)
	return trusted, nil
}

func (p *peers) remember(peer string, trusted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known.Put(peer, trusted, 1)
}
