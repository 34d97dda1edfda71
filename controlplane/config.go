package controlplane

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/inputs"
)

// Defaults returns a Config with the default values: those that Open uses for fields
// that are zero.
func Defaults() Config {
	return Config{
		Tenant:           DefaultTenant,
		ApprovalLifetime: approval.DefaultDecide, // an hour
		ApprovalUseTime:  approval.DefaultUse,    // 15 minutes
		Retention:        90 * 24 * time.Hour,
		InputRetention:   30 * 24 * time.Hour,
		MaxBody:          4 << 20,
		MaxBatchBody:     64 << 20,
		MaxMemory:        512 << 20,
		MaxRequests:      1000,
		MaxStreams:       400,
		MaxRuns:          100,
	}
}

const (
	minRetention    = 8 * 24 * time.Hour
	minOperatorKey  = 16 // bytes
	maxApprovalTime = 365 * 24 * time.Hour
	maxPolicyKeys   = 100
)

// Config configures a [Server]. Only DB or Ephemeral must be set. Open reads it once:
// changing it afterwards has no effect.
type Config struct {
	// DB is the path of the SQLite file with keys, approvals, validators, workflow runs
	// and the audit log. Telemetry is kept in a second file beside it (aureus.db and
	// aureus.telemetry.db). Open creates missing files with mode 0600. The folder must
	// exist and be on a local disk.
	DB string

	// SigningKeyFile names the file with the installation key: the Ed25519 key with which
	// the server signs the checkpoints of its audit logs. Empty means the file that was
	// named before or, if none was, the file beside the database: aureus.key for
	// aureus.db. Open creates a missing file with mode 0600, but only for a database that
	// has had no key yet. It refuses a file that other users may read or write, a
	// symbolic link, and another key than the one that the database was used with.
	SigningKeyFile string

	// CheckpointFile, if not empty, names a file to which the signed checkpoints of all
	// tenants are appended, one after the other, each synchronized to the disk. Put it where
	// whoever can write the database cannot write. At 16 MiB the file is renamed, with the
	// ending .1, which replaces the one before. A server does not start if it cannot write
	// the file; if that fails later, it is logged, and the next checkpoint tries again.
	CheckpointFile string

	// Ephemeral keeps all data in a temporary folder that Close removes, for tests and
	// demonstrations. It must not be combined with DB.
	Ephemeral bool

	// Tenant is the tenant of the clients in the process and of development mode. Empty
	// means [DefaultTenant].
	Tenant string

	// Dev turns on development mode: requests for the role service need no key.
	// Therefore the server then answers only requests to a loopback address and host
	// name, refuses requests from other origins and accepts only JSON bodies. Deciding
	// an approval still needs a key, such as OperatorKey.
	Dev bool

	// OperatorKey is the operator's key in development mode: 16 to 512 bytes of
	// printable ASCII without spaces. It requires Dev.
	OperatorKey string

	// Logger gets one line for each request (level info if it was refused, otherwise
	// debug) and one for each failure. Secrets are never logged. nil logs nothing.
	Logger *slog.Logger

	// ApprovalLifetime is how long after the request a person may decide an approval. A
	// rejection is also in force until then. 0 means one hour; the maximum is a year.
	ApprovalLifetime time.Duration

	// ApprovalUseTime is how long an approval may be used after it was approved. 0 means
	// 15 minutes; the maximum is a year.
	ApprovalUseTime time.Duration

	// Retention is how long decisions, outcomes and approvals are kept after they have
	// ended. It does not apply to the audit log, whose entries stay until they are
	// archived. 0 means 90 days. The minimum is 8 days: a decision may be reported until
	// 7 days after it was made, and must not be recorded again after it was deleted.
	Retention time.Duration

	// RecordInputs switches on the recording of what policy bundles read of requests: the
	// audit log commits to it, and GET decisions/{id} and an export with inputs=true have
	// it. It lists the inputs whose values are recorded, such as arguments.amount or
	// claims.department; see policy.Config.RecordInputs. Values that look like credentials
	// are not recorded even if they are listed. It also applies to the inputs in reported
	// decisions. nil records nothing.
	RecordInputs []string

	// InputRetention is how long recorded inputs are kept: they are deleted, once an hour,
	// that long after they were stored, or earlier with an archived entry. The audit log
	// stays valid without them. 0 means 30 days; the minimum is an hour.
	InputRetention time.Duration

	// LenientPermissions lets held permissions without an intent or a data zone cover
	// every intent and zone; see guard.Local. Leaving it off is safer.
	LenientPermissions bool

	// Volatile lists the values that requests may declare as volatile, at most 100: JSON
	// pointers to values inside /arguments or /metadata, such as /arguments/attempt. An
	// approval does not bind a volatile value, and shows that it may change. A request
	// may declare a value of this list or one inside it; if it declares another, the
	// response has status 422. nil permits none.
	Volatile []string

	// PolicyKeys are the keys of which one must have signed a policy bundle, at most 100.
	// Without keys, bundles need no signature. A stored bundle that none of the keys has
	// signed is not used: nothing is decided for its tenant until a signed one is stored.
	PolicyKeys []ed25519.PublicKey

	// Policy, if not empty, is the text of a policy bundle that Open puts in force in Tenant.
	// A higher version that is stored already stays in force, which is logged. Open returns
	// an error if the bundle does not load, or if its version is in force with another text.
	// PolicySignature is its Ed25519 signature (64 bytes), which PolicyKeys demand.
	Policy, PolicySignature []byte

	// NoConsole turns off the pages for operators under /console/, which then answer with
	// 404 like every unknown path.
	NoConsole bool

	// Validators, if not nil, is called once for each tenant with its registry, before
	// the validators registered over the API are added. Use it to register validators,
	// and host functions for validators of type custom. Open calls it for Tenant and for
	// each tenant with stored validators, and returns its error. For other tenants, the
	// first request that needs validators calls it, and fails if it returns an error.
	Validators func(*registry.Registry) error

	// Tools are the tools that tasks of workflows may run, by name. Development mode adds
	// simulated ones for the examples of the published client, unless Tools has the
	// name. A task that names an unknown tool fails.
	Tools map[string]Tool

	// MaxBody and MaxBatchBody limit the body of a request, in bytes, on ordinary and on
	// batch paths. 0 means 4 MiB and 64 MiB.
	MaxBody, MaxBatchBody int64

	// MaxMemory limits, in bytes, the memory of all request bodies and their decoded
	// values together. 0 means 512 MiB. The minimum is what two keys need to send the
	// largest permitted body at the same time, about five times MaxBatchBody; a smaller
	// value is raised to it.
	MaxMemory int64

	// MaxRequests, MaxStreams and MaxRuns limit, at any one time, the requests being
	// answered, the clients that follow the event stream and the workflow runs that
	// execute. 0 means 1,000, 400 and 100.
	//
	// One tenant may use half of each of these limits and of MaxMemory, and one key a
	// quarter. The last fifth of each share is reserved for decisions and operators. See
	// docs/limits.md.
	MaxRequests, MaxStreams, MaxRuns int

	// Webhooks are told what happens: see [Webhook]. At most 20, with different names.
	Webhooks []Webhook

	// WebhookHosts are the hosts of webhooks that may have loopback addresses or addresses
	// of private networks, and that may be reached without TLS: names or addresses as in
	// the URL, without a port. Other webhooks need https and a public address, which is
	// checked for each connection. No webhook may have a link-local address or that of a
	// cloud's metadata service.
	WebhookHosts []string

	// PublicURL is the address under which people reach the server, such as
	// https://aureus.example.com, without a path. Messages to webhooks link to the pages of
	// the console there. Empty means that they have no link.
	PublicURL string

	// Now returns the present time. nil means time.Now.
	Now func() time.Time

	wrapStore func(storage.Store) storage.Store // for tests; nil keeps the store as it is
}

var errNoDB = errors.New("controlplane: no database: set DB to the path of a file, such as aureus.db, or set Ephemeral to keep no data")

// complete checks the configuration and sets the defaults.
func (c *Config) complete() error {
	switch {
	case c.DB == "" && !c.Ephemeral:
		return errNoDB
	case c.DB != "" && c.Ephemeral:
		return errors.New("controlplane: DB and Ephemeral must not both be set")
	case strings.Contains(c.DB, ":memory:"), strings.HasPrefix(c.DB, "file:"):
		return errors.New("controlplane: DB must be a path, not a URI or :memory:; use Ephemeral to keep no data")
	case c.OperatorKey != "" && !c.Dev:
		return errors.New("controlplane: OperatorKey is only for development mode; otherwise create an operator's key with Keys().Add")
	case c.OperatorKey != "" && (len(c.OperatorKey) < minOperatorKey || len(c.OperatorKey) > web.MaxSecret || !isPlainWord(c.OperatorKey)):
		return fmt.Errorf("controlplane: OperatorKey must have %d to %d bytes of printable ASCII, without spaces", minOperatorKey, web.MaxSecret)
	case c.ApprovalLifetime < 0, c.ApprovalUseTime < 0, c.MaxBody < 0, c.MaxBatchBody < 0, c.MaxMemory < 0, c.MaxRequests < 0, c.MaxStreams < 0, c.MaxRuns < 0:
		return errors.New("controlplane: ApprovalLifetime, ApprovalUseTime, MaxBody, MaxBatchBody, MaxMemory, MaxRequests, MaxStreams and MaxRuns must not be negative")
	case c.ApprovalLifetime > maxApprovalTime, c.ApprovalUseTime > maxApprovalTime:
		return fmt.Errorf("controlplane: ApprovalLifetime and ApprovalUseTime must not be longer than %s", maxApprovalTime)
	}
	if len(c.PolicyKeys) > maxPolicyKeys || slices.ContainsFunc(c.PolicyKeys, func(key ed25519.PublicKey) bool { return len(key) != ed25519.PublicKeySize }) {
		return fmt.Errorf("controlplane: PolicyKeys must have at most %d keys, each of %d bytes", maxPolicyKeys, ed25519.PublicKeySize)
	}
	if len(c.Volatile) > approval.MaxVolatile {
		return fmt.Errorf("controlplane: Volatile must not have more than %d pointers", approval.MaxVolatile)
	}
	if _, err := guard.Digest("", aureus.Request{Volatile: c.Volatile}); err != nil {
		return fmt.Errorf("controlplane: Volatile: %w", err)
	}
	c.Volatile = slices.Clone(c.Volatile)
	c.Policy, c.PolicySignature = slices.Clone(c.Policy), slices.Clone(c.PolicySignature)
	defaults := Defaults()
	c.Tenant = cmp.Or(c.Tenant, defaults.Tenant)
	c.ApprovalLifetime = cmp.Or(c.ApprovalLifetime, defaults.ApprovalLifetime)
	c.ApprovalUseTime = cmp.Or(c.ApprovalUseTime, defaults.ApprovalUseTime)
	c.Retention = cmp.Or(c.Retention, defaults.Retention)
	c.MaxBody = cmp.Or(c.MaxBody, defaults.MaxBody)
	c.MaxBatchBody = cmp.Or(c.MaxBatchBody, defaults.MaxBatchBody)
	c.MaxMemory = cmp.Or(c.MaxMemory, defaults.MaxMemory)
	c.MaxRequests = cmp.Or(c.MaxRequests, defaults.MaxRequests)
	c.MaxStreams = cmp.Or(c.MaxStreams, defaults.MaxStreams)
	c.MaxRuns = cmp.Or(c.MaxRuns, defaults.MaxRuns)
	if !tenantForm.MatchString(c.Tenant) {
		return fmt.Errorf("controlplane: a tenant must have 1 to 63 of the characters a-z, 0-9, - and _, not %.80q", c.Tenant)
	}
	if _, err := inputs.NewAllowList(c.RecordInputs); err != nil {
		return fmt.Errorf("controlplane: RecordInputs: %w", err)
	}
	c.RecordInputs = slices.Clone(c.RecordInputs)
	c.InputRetention = cmp.Or(c.InputRetention, defaults.InputRetention)
	if c.InputRetention < time.Hour {
		return errors.New("controlplane: InputRetention must be at least an hour")
	}
	if c.Retention < minRetention {
		return fmt.Errorf("controlplane: Retention must be at least %s", minRetention)
	}
	if err := c.webhooks().Check(); err != nil {
		return fmt.Errorf("controlplane: Webhooks: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// isPlainWord reports whether the text is printable ASCII without spaces.
func isPlainWord(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// files returns the paths of the two database files. For an ephemeral server it also
// creates and returns the folder that Close removes.
func (c *Config) files() (control, telemetry, folder string, err error) {
	control = c.DB
	if c.Ephemeral {
		if folder, err = os.MkdirTemp("", "aureus-"); err != nil {
			return "", "", "", fmt.Errorf("controlplane: creating a temporary folder: %w", err)
		}
		control = filepath.Join(folder, "aureus.db")
	}
	extension := filepath.Ext(control)
	return control, strings.TrimSuffix(control, extension) + ".telemetry" + extension, folder, nil
}

// tools returns the tools of the configuration and, in development mode, those of the
// examples.
func (c *Config) tools() map[string]Tool {
	tools := map[string]Tool{}
	if c.Dev {
		tools = exampleTools()
	}
	maps.Copy(tools, c.Tools)
	return tools
}

// The limits of workflow runs that have not ended: the governor limits how many wait for
// a retry, and the store how many there are in all, including those that wait for an
// approval. See docs/limits.md.
const (
	waitingFactor = 5 // this many times MaxRuns runs may wait for a retry

	openRunsPerSubject = 500       // or MaxRuns, if that is more
	openRunBytes       = 128 << 20 // bytes of the requests of one subject's runs
	openRunsPerTenant  = 2000      // or 4 times MaxRuns, if that is more
	openRunsWhenFull   = 20        // runs that each subject may have beyond the tenant's limit
)

func (c *Config) runQuota() storage.RunQuota {
	return storage.RunQuota{
		Subject: max(openRunsPerSubject, int64(c.MaxRuns)), Bytes: openRunBytes,
		Tenant: max(openRunsPerTenant, 4*int64(c.MaxRuns)), Beyond: openRunsWhenFull,
	}
}

// governor returns the governor that enforces the limits of the configuration.
func (c *Config) governor(processors int) *governor.Governor {
	return governor.New(governor.Limits{
		Requests: int64(c.MaxRequests), Streams: int64(c.MaxStreams), Runs: int64(c.MaxRuns), Parked: int64(c.MaxRuns) * waitingFactor,
		Bytes: c.MaxMemory, LargestBody: max(c.MaxBody, c.MaxBatchBody), Processors: int64(processors),
	})
}
