package controlplane

import (
	"cmp"

	"github.com/farmountain/aureus-go/controlplane/internal/webhooks"
)

// Webhook is an address that is told what happens, by signed requests in the form of
// Standard Webhooks; docs/control-plane.md has the kinds and the body. Receivers check
// them with [aureus.VerifyWebhook].
//
// A message is stored in the transaction of what it announces, and sent until the receiver
// answers with a status of 2xx: at least once, each time with the same id, also by the next
// process after this one was killed. After three days it is given up; aureus webhooks
// lists and retries such messages.
type Webhook struct {
	Name   string   // 1 to 63 of the characters a-z, 0-9, - and _; messages that wait belong to the name
	URL    string   // https, unless Config.WebhookHosts has its host
	Secret string   // whsec_ and the base64 of 24 to 64 random bytes
	Kinds  []string // such as approval.asked, approval.* or *; at least one
	Tenant string   // whose events it gets; empty means Config.Tenant
}

// String returns the name and the host: the URL of a chat tool and the secret are secrets.
func (w Webhook) String() string { return webhooks.Hook(w).String() }

// GoString is String, for the format %#v.
func (w Webhook) GoString() string { return w.String() }

func (c *Config) webhooks() webhooks.Config {
	config := webhooks.Config{Hosts: c.WebhookHosts, Console: c.PublicURL}
	for _, w := range c.Webhooks {
		w.Tenant = cmp.Or(w.Tenant, c.Tenant)
		w.Kinds = append([]string(nil), w.Kinds...)
		config.Hooks = append(config.Hooks, webhooks.Hook(w))
	}
	return config
}
