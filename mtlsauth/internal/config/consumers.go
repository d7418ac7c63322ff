package config

import (
	"fmt"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
)

// ConsumersBy is how the configuration finds out whose certificate it is; nil
// when a trusted one is enough.
func (c Config) ConsumersBy(files []*consumer.File) (*authn.Consumers, error) {
	if c.SkipConsumerLookup {
		return nil, nil
	}
	list := make([]consumer.Credential, len(c.Credentials))
	for i, own := range c.Credentials {
		list[i] = consumer.Credential{
			SubjectName:     own.SubjectName,
			CACertificateID: own.CACertificate,
			Consumer:        consumer.ParseRef(own.Consumer),
		}
	}
	credentials, err := consumer.NewCredentials(list)
	if err != nil {
		return nil, fmt.Errorf("config.%w", err)
	}
	consumers := &authn.Consumers{
		By: consumer.ConsumerBy{
			Username: slices.Contains(c.ConsumerBy, "username"),
			CustomID: slices.Contains(c.ConsumerBy, "custom_id"),
		},
		DirNames:    consumer.NewDirNameMatcher(c.SANDirNameMatcher),
		Credentials: credentials,
		Files:       files,
	}
	if c.DefaultConsumer != "" {
		consumers.Default = consumer.ParseRef(c.DefaultConsumer)
	}
	return consumers, nil
}

// AnonymousRef is the anonymous consumer; zero for none.
func (c Config) AnonymousRef() consumer.Ref {
	if c.Anonymous == "" {
		return consumer.Ref{}
	}
	return consumer.ParseRef(c.Anonymous)
}

// MaxAge is cache_ttl as a duration: at most ten years, beyond which a
// duration would not hold it.
func (c Config) MaxAge() time.Duration {
	const tenYears = 10 * 365 * 24 * 60 * 60
	return time.Duration(min(c.CacheTTL, tenYears) * float64(time.Second))
}
