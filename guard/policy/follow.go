package policy

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// FollowConfig is the configuration of a [Follower]. The zero value is usable.
type FollowConfig struct {
	// Keys are the Ed25519 keys of which one must have signed the bundle. Without keys,
	// signatures are ignored.
	Keys []ed25519.PublicKey

	// Interval is the time between two questions whether the bundle or the stops have
	// changed, from 1 s to 1 h; 0 means 10 s. It matters only while the event stream is
	// not available, because each event leads to a question at once. If the bundle has a
	// max_age, the time is at most a third of that.
	Interval time.Duration

	// Tenant is the tenant of the client's key; empty means "default". It is part of
	// the digests that find a last known allow and an approval that has been replaced.
	Tenant string

	// Volatile is what the control plane is configured with; see [guard.Local.Volatile].
	Volatile []string

	// RecordInputs lists the inputs of decisions whose values are recorded; see
	// [Config.RecordInputs]. The control plane records those of its own decisions, and of
	// these only what its own configuration names.
	RecordInputs []string

	// Spool is a folder for the records of decisions and outcomes that have not been sent
	// yet. A decision is then returned only after its record is written to a file there,
	// so that none is lost if the process is killed; the next Follower with the folder
	// sends what is left. Each process needs a folder of its own. If Spool is empty,
	// records wait in memory, in the queue of an [aureus.Recorder].
	Spool string

	// SpoolLimit is the maximum number of bytes in Spool, at least 1 MiB; 0 means 64 MiB.
	// While the spool is full, requests are undecided instead of unrecorded. The last
	// sixteenth is for outcomes alone.
	SpoolLimit int64

	// Now returns the current time; nil means time.Now.
	Now func() time.Time

	// Logger gets a line for each change of the bundle and of the stops, for each new
	// reason why the control plane could not be followed, and for records that were dropped:
	// at the first one, and then at most each minute, with their number. nil discards them.
	Logger *slog.Logger
}

const (
	defaultInterval   = 10 * time.Second
	minInterval       = time.Second
	maxInterval       = time.Hour
	defaultSpoolLimit = 64 << 20
	minSpoolLimit     = 1 << 20
)

func (c *FollowConfig) complete() error {
	c.Interval, c.SpoolLimit = cmp.Or(c.Interval, defaultInterval), cmp.Or(c.SpoolLimit, defaultSpoolLimit)
	switch {
	case c.Interval < minInterval || c.Interval > maxInterval:
		return fmt.Errorf("policy: FollowConfig.Interval must be from %s to %s, not %s", minInterval, maxInterval, c.Interval)
	case c.SpoolLimit < minSpoolLimit:
		return fmt.Errorf("policy: FollowConfig.SpoolLimit must be at least %d bytes, not %d", minSpoolLimit, c.SpoolLimit)
	}
	if _, err := newRecording(c.RecordInputs); err != nil {
		return fmt.Errorf("policy: FollowConfig.RecordInputs: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Follower decides by the policy bundle that is in force at a control plane. It is a
// [guard.Decider]; [Follow] makes one.
//
// What depends on the bundle and the stops alone is decided in this process, and its
// record is sent to the audit log in the background: every allow that needs neither a
// person nor a budget, and every denial. That goes on while the control plane is down,
// for the max_age of the bundle. All other requests are decided by the control plane,
// which has the same bundle.
//
// A nil Follower and one that was closed never allow. It is safe for concurrent use.
type Follower struct {
	client     *aureus.Client
	lookup     *aureus.Client // of approvals, for denials, which must not wait for long
	config     FollowConfig
	engine     *Engine
	cache      string // the file; empty without one
	records    records
	lastAllows lastAllows
	held       heldDecisions
	counters   followCounters
	drops      dropLog

	ended   context.Context //nolint:containedctx // it ends the goroutines, and with them the decisions
	end     context.CancelFunc
	running sync.WaitGroup
	kicked  chan struct{} // has an element if the next refresh must not wait

	refused atomic.Pointer[error]         // the control plane does not accept the key
	stopped atomic.Pointer[followedStops] // the stops that hold
	changed atomic.Int64                  // Unix nanoseconds when the bundle or the stops were last replaced
	contact atomic.Int64                  // Unix nanoseconds of the last refresh that succeeded

	// For the goroutine that refreshes only.
	stops     []aureus.PolicyStop
	signature []byte // of the bundle in force
	rejected  rejectedBundle
	problem   string    // the last one that was logged
	kept      time.Time // the contact that the cache file has

	closing  sync.Once
	closeErr error
}

var (
	errNoFollower     = errors.New("policy: a nil Follower cannot decide; make one with policy.Follow")
	errFollowerClosed = errors.New("policy: the follower was closed, or the context given to policy.Follow has ended")
)

// Follow returns a Follower of the bundle and the stops of the client's tenant. The key of
// the client needs the role service.
//
// cacheFile keeps the bundle, the stops and the time of the last contact. If the control
// plane cannot be reached, or has no usable bundle, the follower starts with the file: it
// is good for the max_age of its bundle since that contact, and without a bound if the
// bundle has no max_age, which is logged. If cacheFile is empty, nothing is kept. The file
// belongs to one address and tenant, and a bundle with a lower version than that in the
// file is not used. The error is not nil if there is no bundle from either, or if the
// control plane refuses the key.
//
// The follower ends when ctx ends, or with [Follower.Close]. The client must stay open
// until then.
func Follow(ctx context.Context, client *aureus.Client, cacheFile string, config FollowConfig) (*Follower, error) {
	if client == nil {
		return nil, errors.New("policy: Follow needs a client; make one with aureus.NewClient")
	}
	if err := config.complete(); err != nil {
		return nil, err
	}
	f := &Follower{
		client: client, config: config, cache: cacheFile,
		lookup: client.With(aureus.WithTimeout(lookupTimeout), aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry})),
		kicked: make(chan struct{}, 1),
	}
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	if err := f.keepRecords(); err != nil {
		return nil, err
	}
	f.ended, f.end = context.WithCancel(ctx)
	f.running.Go(func() { f.poll(f.ended) })
	f.running.Go(func() { f.listen(f.ended) })
	go func() {
		<-f.ended.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = f.Close(limited) // the next Close returns the error
	}()
	return f, nil
}

const (
	closeTimeout  = 5 * time.Second // for sending records after the context has ended
	lookupTimeout = 2 * time.Second
)

// start gets the first bundle: from the control plane, or else from the cache file.
func (f *Follower) start(ctx context.Context) error {
	kept, keptErr := f.readCache()
	if keptErr == nil && kept.bundle != nil {
		f.setStops(kept.stops, kept.stopsDigest)
		if err := f.use(kept.bundle); err != nil {
			return err
		}
		f.signature, f.kept = kept.signature, kept.heard
		f.engine.heard.Store(kept.heard.UnixNano())
		f.contact.Store(kept.heard.UnixNano())
	}
	err := f.refresh(ctx, f.client)
	switch {
	case err == nil:
		if err := f.writeCache(); err != nil {
			return fmt.Errorf("policy: the cache file cannot be written: %w", err)
		}
		if keptErr != nil {
			f.config.Logger.Warn("the cache file of the policy bundle could not be used and was replaced", "file", f.cache, "error", keptErr.Error())
		}
		f.logBundle("the policy bundle is in force", f.engine.Bundle())
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case f.refused.Load() != nil:
		return fmt.Errorf("policy: following the control plane: %w", err)
	case f.engine == nil:
		return errors.Join(fmt.Errorf("policy: there is no bundle to decide by: %w", err), keptErr)
	}
	f.kick()
	bundle := f.engine.Bundle()
	if _, _, stale := f.engine.current(); stale != nil {
		return fmt.Errorf("policy: there is no bundle to decide by: %w; and the cache file: %w", err, stale)
	}
	f.config.Logger.Warn("the control plane could not be followed; the policy bundle in the cache file is in force",
		"file", f.cache, "bundle", bundle.label, "last_contact", kept.heard.UTC().Format(time.RFC3339), "error", err.Error())
	if bundle.maxAge == 0 {
		f.config.Logger.Warn("the policy bundle in the cache file has no max_age: it is used however old it is", "bundle", bundle.label)
	}
	f.logBundle("the policy bundle is in force", bundle)
	return nil
}

func (f *Follower) logBundle(message string, bundle *Bundle) {
	f.config.Logger.Info(message, "bundle", bundle.label, "digest", bundle.digest.String())
	logNotes(f.config.Logger, bundle)
}

// Bundle returns the bundle in force; nil for a nil Follower.
func (f *Follower) Bundle() *Bundle {
	if f == nil {
		return nil
	}
	return f.engine.Bundle()
}

// Routes returns the routes of the bundle in force; see [Bundle.Routes].
func (f *Follower) Routes() []guard.Route {
	if f == nil {
		return nil
	}
	return f.engine.Routes()
}

// Close ends the follower: requests are undecided from now on. It sends the records that
// wait. If the context ends first, or the control plane does not answer, records in memory
// are lost and those of a spool stay in it; the error says so. Close may be called more than
// once; later calls wait for the first and return its error.
func (f *Follower) Close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.closing.Do(func() {
		f.end()
		f.running.Wait()
		f.closeErr = f.records.close(ctx)
		f.logDrops(true)
	})
	return f.closeErr
}
