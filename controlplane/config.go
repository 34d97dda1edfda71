package controlplane

import (
	"cmp"
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
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
)

// The defaults and limits of a [Config].
const (
	DefaultApprovalLifetime = approval.DefaultDecide // an hour
	DefaultRetention        = 90 * 24 * time.Hour
	DefaultApprovalUseTime  = approval.DefaultUse // 15 minutes
	DefaultMaxBody          = 4 << 20
	DefaultMaxBatchBody     = 64 << 20
	minRetention            = 8 * 24 * time.Hour

	minOperatorKey = 16 // bytes

	maxApprovalTime = 365 * 24 * time.Hour
)

// Config is what [Open] needs to know. Only DB or Ephemeral must be set. It is
// read once: changing it after Open has no effect.
type Config struct {
	// DB is the path of the SQLite file with keys, approvals, validators and the
	// audit log. Telemetry is kept in a second file beside it (aureus.db and
	// aureus.telemetry.db). Both are created, with mode 0600, if they are not
	// there; the folder must be, on a local disk.
	DB string

	// Ephemeral keeps everything in a temporary folder that Close removes: for
	// tests and demonstrations. It excludes DB.
	Ephemeral bool

	// Tenant is the one that the clients in the process and development mode
	// work in. Empty is [DefaultTenant].
	Tenant string

	// Dev is development mode: no key is asked for service calls. Therefore
	// only requests to a loopback address and host name are answered, none that
	// another origin made, and only JSON bodies are taken. Deciding an approval
	// needs OperatorKey in this mode as well.
	Dev bool

	// OperatorKey is the key of the operator of development mode: any text of 16
	// to 512 bytes without spaces. It is only for Dev.
	OperatorKey string

	// Logger gets one line a request (refused ones at level info, others at
	// debug), and failures. Nothing secret is written to it. nil discards.
	Logger *slog.Logger

	// ApprovalLifetime is how long a person may decide an approval after it was
	// asked for; a rejection stands until then as well. 0 is an hour, and a year
	// the most.
	ApprovalLifetime time.Duration

	// ApprovalUseTime is how long an approval may be used after it was approved.
	// 0 is 15 minutes, and a year the most.
	ApprovalUseTime time.Duration

	// Retention is how long decisions, outcomes and approvals are kept after they
	// have ended, beside the audit log, which keeps its entries until they are
	// archived. 0 is 90 days; less than 8 days is refused, since what is forgotten
	// must not be recorded again: records are taken for 7.
	Retention time.Duration

	// LenientPermissions lets held permissions without an intent or a data zone
	// cover everything; see guard.Local. Leave it off.
	LenientPermissions bool

	// Volatile is what requests may declare as volatile, which an approval then
	// does not bind and shows as what may change: JSON pointers to values inside
	// /arguments or /metadata, such as /arguments/attempt, at most 100. A request may
	// name one of these or what is inside of it; one that names another is answered
	// with 422. nil allows none.
	Volatile []string

	// Validators is called with the validators of each tenant when they are
	// first needed, before what was registered over the API is added: the place
	// to register host functions for validators of type custom. An error makes
	// Open fail, or the request that needed them.
	Validators func(*registry.Registry) error

	// Tools are what tasks of workflows may run, by name. In development mode the
	// tools of the published client's examples are there too, simulated, unless
	// they are named here. A task with another tool fails, and says so.
	Tools map[string]Tool

	// MaxBody and MaxBatchBody bound a request's body in bytes, on ordinary and
	// on batch paths. 0 is 4 MiB and 64 MiB.
	MaxBody, MaxBatchBody int64

	// MaxMemory bounds, in bytes, the memory that bodies of requests and what is
	// read of them take together. 0 is 512 MiB. It is never less than two keys need
	// for the largest body that is allowed, about five times MaxBatchBody.
	MaxMemory int64

	// MaxRequests, MaxStreams and MaxRuns bound the requests that are answered, the
	// clients that follow the stream and the workflow runs that work, all at once.
	// 0 is 1,000, 400 and 100.
	//
	// Of these bounds and of MaxMemory, one tenant may use half, and one key a
	// quarter. A fifth more is kept for decisions and for operators.
	MaxRequests, MaxStreams, MaxRuns int

	// Now is the clock. nil is time.Now.
	Now func() time.Time

	wrapStore func(storage.Store) storage.Store // set by tests; nil changes nothing
}

var errNoDB = errors.New("controlplane: no database: set DB to the path of a file, such as aureus.db, or Ephemeral to keep nothing")

// complete checks the configuration and fills in what was left out.
func (c *Config) complete() error {
	switch {
	case c.DB == "" && !c.Ephemeral:
		return errNoDB
	case c.DB != "" && c.Ephemeral:
		return errors.New("controlplane: DB and Ephemeral exclude each other")
	case strings.Contains(c.DB, ":memory:"), strings.HasPrefix(c.DB, "file:"):
		return errors.New("controlplane: DB is a path, neither a URI nor :memory:; use Ephemeral to keep nothing")
	case c.OperatorKey != "" && !c.Dev:
		return errors.New("controlplane: OperatorKey is for development mode; make an operator's key with Keys().Add")
	case c.OperatorKey != "" && (len(c.OperatorKey) < minOperatorKey || len(c.OperatorKey) > web.MaxSecret || !isPlainWord(c.OperatorKey)):
		return fmt.Errorf("controlplane: OperatorKey must have %d to %d bytes of printable ASCII, without spaces", minOperatorKey, web.MaxSecret)
	case c.ApprovalLifetime < 0, c.ApprovalUseTime < 0, c.MaxBody < 0, c.MaxBatchBody < 0, c.MaxMemory < 0, c.MaxRequests < 0, c.MaxStreams < 0, c.MaxRuns < 0:
		return errors.New("controlplane: ApprovalLifetime, ApprovalUseTime, MaxBody, MaxBatchBody, MaxMemory, MaxRequests, MaxStreams and MaxRuns must not be negative")
	case c.ApprovalLifetime > maxApprovalTime, c.ApprovalUseTime > maxApprovalTime:
		return fmt.Errorf("controlplane: ApprovalLifetime and ApprovalUseTime must not be longer than %s", maxApprovalTime)
	}
	if len(c.Volatile) > approval.MaxVolatile {
		return fmt.Errorf("controlplane: Volatile must not have more than %d pointers", approval.MaxVolatile)
	}
	if _, err := guard.Digest("", aureus.Request{Volatile: c.Volatile}); err != nil {
		return fmt.Errorf("controlplane: Volatile: %w", err)
	}
	c.Volatile = slices.Clone(c.Volatile)
	if c.Tenant == "" {
		c.Tenant = DefaultTenant
	}
	if !tenantForm.MatchString(c.Tenant) {
		return fmt.Errorf("controlplane: a tenant is 1 to 63 of a-z, 0-9, - and _, not %.80q", c.Tenant)
	}
	if c.ApprovalLifetime == 0 {
		c.ApprovalLifetime = DefaultApprovalLifetime
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Retention < minRetention {
		return fmt.Errorf("controlplane: Retention must be at least %s", minRetention)
	}
	if c.ApprovalUseTime == 0 {
		c.ApprovalUseTime = DefaultApprovalUseTime
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxBatchBody == 0 {
		c.MaxBatchBody = DefaultMaxBatchBody
	}
	c.MaxMemory = cmp.Or(c.MaxMemory, DefaultMaxMemory)
	c.MaxRequests, c.MaxStreams, c.MaxRuns = cmp.Or(c.MaxRequests, DefaultMaxRequests), cmp.Or(c.MaxStreams, DefaultMaxStreams), cmp.Or(c.MaxRuns, DefaultMaxRuns)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

func isPlainWord(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// files are where the two stores lie, and the folder that goes with the server,
// if it is an ephemeral one.
func (c *Config) files() (control, telemetry, folder string, err error) {
	control = c.DB
	if c.Ephemeral {
		if folder, err = os.MkdirTemp("", "aureus-"); err != nil {
			return "", "", "", fmt.Errorf("controlplane: making a temporary folder: %w", err)
		}
		control = filepath.Join(folder, "aureus.db")
	}
	extension := filepath.Ext(control)
	return control, strings.TrimSuffix(control, extension) + ".telemetry" + extension, folder, nil
}

// tools are those of the configuration and, in development mode, the examples'.
func (c *Config) tools() map[string]Tool {
	tools := map[string]Tool{}
	if c.Dev {
		tools = exampleTools()
	}
	maps.Copy(tools, c.Tools)
	return tools
}
