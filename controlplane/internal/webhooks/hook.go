package webhooks

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/webhooksig"
)

// The limits of the configuration.
const (
	MaxHooks = 20
	maxKinds = 20
	maxHosts = 100
	maxURL   = 2048 // bytes
)

// The kinds of messages. Those of approvals and of the policy come from audit entries.
const (
	ApprovalAsked    = "approval.asked"
	ApprovalReminder = "approval.reminder"
	ApprovalDecided  = "approval.decided"
	ApprovalUsed     = "approval.used"
	ApprovalExpired  = "approval.expired"
	ApprovalRevoked  = "approval.revoked"
	PolicyPut        = "policy.put"
	StopAdded        = "stop.added"
	StopRemoved      = "stop.removed"
	checkpoint       = "checkpoint" // storage.KindCheckpoint
	test             = "test"       // sent by the command only
)

// Kinds lists the kinds that a webhook may subscribe to.
var Kinds = []string{
	ApprovalAsked, ApprovalReminder, ApprovalDecided, ApprovalUsed, ApprovalExpired, ApprovalRevoked, PolicyPut, StopAdded, StopRemoved, checkpoint,
}

// Hook is one webhook.
type Hook struct { // the fields are those of controlplane.Webhook
	Name   string   `yaml:"name"`
	URL    string   `yaml:"url"`
	Secret string   `yaml:"secret"`
	Kinds  []string `yaml:"kinds"`  // or patterns: approval.*, or * for all
	Tenant string   `yaml:"tenant"` // whose events it gets
}

// String returns the name and the host. The URL of a chat tool and the secret are
// secrets.
func (h Hook) String() string { return h.Name + " at " + h.host() }

// GoString is String, for the format %#v.
func (h Hook) GoString() string { return h.String() }

// Config is the configuration of all webhooks.
type Config struct {
	Hooks []Hook
	// Hosts are the hosts of URLs that may have addresses in private networks and loopback
	// addresses, and may be reached by http.
	Hosts []string
	// Console is the address under which people reach the server, without a path; empty
	// leaves links out.
	Console string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Check returns an error that says what is wrong with the configuration. It contains no
// secret and no path of a URL.
func (c Config) Check() error {
	if len(c.Hooks) > MaxHooks || len(c.Hosts) > maxHosts {
		return fmt.Errorf("there may be at most %d webhooks and %d hosts", MaxHooks, maxHosts)
	}
	if err := checkConsole(c.Console); err != nil {
		return err
	}
	for i, h := range c.Hooks {
		if !nameForm.MatchString(h.Name) {
			return fmt.Errorf("webhook %d: its name must have 1 to 63 of the characters a-z, 0-9, - and _, not %.80q", i+1, h.Name)
		}
		if slices.ContainsFunc(c.Hooks[:i], func(other Hook) bool { return other.Name == h.Name }) {
			return fmt.Errorf("webhook %s: two webhooks have this name", h.Name)
		}
		if err := c.check(h); err != nil {
			return fmt.Errorf("webhook %s: %w", h.Name, err)
		}
	}
	return nil
}

func checkConsole(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the address of the console must be like https://aureus.example.com, without a path: it is what links in messages begin with")
	}
	return nil
}

func (c Config) check(h Hook) error {
	if h.Tenant == "" {
		return errors.New("it has no tenant")
	}
	if _, err := webhooksig.Key(h.Secret); err != nil {
		return err
	}
	if err := checkKinds(h.Kinds); err != nil {
		return err
	}
	u, err := url.Parse(h.URL)
	switch {
	case len(h.URL) > maxURL:
		return fmt.Errorf("its URL has more than %d bytes", maxURL)
	case err != nil: // the error has the URL
		return errors.New("its URL cannot be read")
	case u.Hostname() == "" || u.Opaque != "":
		return errors.New("its URL has no host; it must be like https://chat.example.com/hook")
	case u.User != nil || u.Fragment != "":
		return errors.New("its URL must have neither a user name nor a fragment")
	case u.Scheme == "http" && !c.allowed(h):
		return fmt.Errorf("its URL must begin with https, or its host %s must be one of the allowed hosts", u.Hostname())
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("its URL must begin with https")
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(address, c.allowed(h))
	}
	return nil
}

func checkKinds(patterns []string) error {
	if len(patterns) == 0 || len(patterns) > maxKinds {
		return fmt.Errorf("it must have 1 to %d kinds of %s, or patterns such as approval.*", maxKinds, strings.Join(Kinds, ", "))
	}
	for _, pattern := range patterns {
		if !slices.ContainsFunc(Kinds, func(kind string) bool { return matches(pattern, kind) }) {
			return fmt.Errorf("no kind matches %.80q; the kinds are %s", pattern, strings.Join(Kinds, ", "))
		}
	}
	return nil
}

// matches reports whether a pattern stands for the kind: * for every kind, and approval.*
// for those that begin with approval and a dot.
func matches(pattern, kind string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	if !wild {
		return pattern == kind
	}
	return (prefix == "" || strings.HasSuffix(prefix, ".")) && strings.HasPrefix(kind, prefix)
}

func (h Hook) wants(tenant, kind string) bool {
	return h.Tenant == tenant && slices.ContainsFunc(h.Kinds, func(pattern string) bool { return matches(pattern, kind) })
}

// host returns the host of the URL without its port.
func (h Hook) host() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// allowed reports whether the configuration names the host of the webhook.
func (c Config) allowed(h Hook) bool {
	host := h.host()
	return host != "" && slices.ContainsFunc(c.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}
