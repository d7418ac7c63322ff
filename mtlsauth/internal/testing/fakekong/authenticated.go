package fakekong

import (
	"net/http"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// The keys of ngx.ctx under which Kong keeps who the client is.
const (
	ctxConsumer   = "authenticated_consumer"
	ctxCredential = "authenticated_credential"
)

// The headers by which Kong tells an upstream who the client is.
const (
	headerConsumerID       = "X-Consumer-ID"
	headerConsumerCustomID = "X-Consumer-Custom-ID"
	headerConsumerUsername = "X-Consumer-Username"
	headerCredential       = "X-Credential-Identifier"
	headerAnonymous        = "X-Anonymous-Consumer"
)

// authenticate records who the client is, for plugins that come later and for
// the upstream, as Kong's authentication plugins do. No credential means that
// the consumer is the anonymous one.
func (x *exchange) authenticate(consumer, credential map[string]any) {
	for key, entity := range map[string]map[string]any{ctxConsumer: consumer, ctxCredential: credential} {
		delete(x.req.Ctx, key)
		if entity != nil {
			x.req.Ctx[key] = entity
		}
	}
	for _, h := range []struct {
		name string
		of   map[string]any
		key  string
	}{
		{headerConsumerID, consumer, "id"}, {headerConsumerCustomID, consumer, "custom_id"},
		{headerConsumerUsername, consumer, "username"}, {headerCredential, credential, "id"},
	} {
		if s, ok := h.of[h.key].(string); ok {
			x.req.Header.Set(h.name, s)
		} else {
			x.req.Header.Del(h.name)
		}
	}
	if credential != nil {
		x.req.Header.Del(headerAnonymous)
	} else {
		x.req.Header.Set(headerAnonymous, "true")
	}
}

// thrown is Kong's answer to an error that a plugin of its own throws.
func thrown(x *exchange) *rpc.Exit {
	return rpc.ErrorExit(x.req, http.StatusInternalServerError, "An unexpected error occurred")
}
