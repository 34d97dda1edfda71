package webhooks

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
)

// receiver is a webhook's receiver that counts the messages it gets, by id.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    map[string]int
	status func(id string, times int) int
}

func newReceiver(t *testing.T, status func(id string, times int) int) *receiver {
	t.Helper()
	r := &receiver{got: map[string]int{}, status: status}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		id := request.Header.Get("Webhook-Id")
		r.mu.Lock()
		r.got[id]++
		times := r.got[id]
		r.mu.Unlock()
		w.WriteHeader(r.status(id, times))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) times(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[id]
}

// bench is a service with a store and a clock of its own. Tests call deliver instead of
// Run.
type bench struct {
	service Service
	now     time.Time
	log     *strings.Builder
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	require.NoError(t, c.Check())
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{Announce: &Announcer{Config: c}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	b := &bench{now: noon, log: &strings.Builder{}}
	b.service = Service{Config: c, Store: db, Now: func() time.Time { return b.now }, Log: slog.New(slog.NewTextHandler(b.log, nil))}
	return b
}

func (b *bench) add(t *testing.T, ids ...string) {
	t.Helper()
	require.NoError(t, b.service.Store.Update(t.Context(), func(tx storage.Tx) error {
		for _, id := range ids {
			m := storage.Message{ID: id, Tenant: "default", Webhook: "chat", Kind: ApprovalAsked, Body: "{}", At: b.now, Due: b.now, GiveUp: b.now.Add(Lifetime)}
			if err := tx.Outbox().Add(m); err != nil {
				return err
			}
		}
		return nil
	}))
}

// deliver sends what is due after the time.
func (b *bench) deliver(t *testing.T, after time.Duration) {
	t.Helper()
	b.now = b.now.Add(after)
	h := b.service.Config.Hooks[0]
	sender, err := NewSender(b.service.Config, h)
	require.NoError(t, err)
	defer sender.Close()
	for b.service.deliverDue(t.Context(), h, sender) {
	}
}

func (b *bench) counts(t *testing.T) storage.OutboxCounts {
	t.Helper()
	var counts []storage.OutboxCounts
	require.NoError(t, b.service.Store.View(t.Context(), func(tx storage.Tx) (err error) {
		counts, err = tx.Outbox().Counts()
		return err
	}))
	require.Len(t, counts, 1)
	return counts[0]
}

func configTo(r *receiver, kinds ...string) Config {
	return Config{Hooks: []Hook{hookAt(r.URL+"/T0KEN", kinds...)}, Hosts: []string{"127.0.0.1"}}
}

func TestDeliver_ManyMessages_EachIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusNoContent })
	b := newBench(t, configTo(r, "*"))
	var ids []string
	for i := range 3*batch + 5 {
		ids = append(ids, strconv.Itoa(i))
	}
	b.add(t, ids...)
	b.deliver(t, 0)
	b.deliver(t, time.Hour)
	for _, id := range ids {
		require.Equal(t, 1, r.times(id), id)
	}
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Delivered: int64(len(ids))}, b.counts(t))
}

func TestDeliver_FailingReceiver_IsAskedAgainWithTheSameID(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ string, times int) int {
		if times < 4 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	b := newBench(t, configTo(r, "*"))
	b.add(t, "m")
	b.deliver(t, 0)
	require.Equal(t, 1, r.times("m"))
	b.deliver(t, firstRetry/2-time.Millisecond)
	require.Equal(t, 1, r.times("m"), "it waits at least half of the interval")
	b.deliver(t, firstRetry)
	b.deliver(t, 2*firstRetry)
	b.deliver(t, 4*firstRetry)
	b.deliver(t, 8*firstRetry)
	require.Equal(t, 4, r.times("m"))
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Delivered: 1}, b.counts(t))
	require.Equal(t, 1, strings.Count(b.log.String(), "was not delivered"), "only the first failure is logged")
	require.NotContains(t, b.log.String(), "T0KEN")
}

func TestDeliver_ReceiverThatNeverAccepts_GivesUpAfterThreeDays(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusInternalServerError })
	b := newBench(t, configTo(r, "*"))
	b.add(t, "m")
	attempts := 0
	for range 3*24 - 1 {
		b.deliver(t, lastRetry)
		require.Greater(t, r.times("m"), attempts, "at least once an hour")
		attempts = r.times("m")
	}
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Waiting: 1}, b.counts(t))
	b.deliver(t, 2*lastRetry)
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Dead: 1, GivenUp: 1}, b.counts(t))
	require.Contains(t, b.log.String(), "was given up")
	attempts = r.times("m")
	b.deliver(t, 10*lastRetry)
	require.Equal(t, attempts, r.times("m"))
	require.NoError(t, b.service.Store.Update(t.Context(), func(tx storage.Tx) error {
		n, err := tx.Outbox().Retry("", "m", b.now, b.now.Add(Lifetime), 1)
		require.Equal(t, int64(1), n)
		return err
	}))
	b.deliver(t, 0)
	require.Equal(t, attempts+1, r.times("m"))
	b.now = b.now.Add(Lifetime)
	b.deliver(t, time.Second)
	b.now = b.now.Add(keepDead)
	b.service.pruneDead(t.Context())
	require.Equal(t, int64(1), b.counts(t).Dead, "it is kept for 30 days")
	b.now = b.now.Add(time.Second)
	b.service.pruneDead(t.Context())
	require.Zero(t, b.counts(t).Dead)
}

func TestDeliver_ReceiverThatIsGone_GivesUpAtOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusGone })
	b := newBench(t, configTo(r, "*"))
	b.add(t, "m")
	b.deliver(t, 0)
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Dead: 1, GivenUp: 1}, b.counts(t))
}

func TestDeliver_MessageOfAnotherTenant_IsNotSent(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusOK })
	b := newBench(t, configTo(r, "*"))
	b.add(t, "m")
	b.service.Config.Hooks[0].Tenant = "acme" // the operator gave the name to another tenant's webhook
	b.deliver(t, 0)
	require.Zero(t, r.times("m"))
	require.Equal(t, int64(1), b.counts(t).Dead)
}

func TestTidy_MessagesOfUnknownWebhooks_AreGivenUp(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusOK })
	b := newBench(t, configTo(r, "*"))
	b.add(t, "m", "n")
	b.service.Config.Hooks[0].Name = "renamed"
	b.service.giveUpUnknown(t.Context())
	require.Equal(t, storage.OutboxCounts{Webhook: "chat", Dead: 2, GivenUp: 2}, b.counts(t))
	require.Contains(t, b.log.String(), "not configured")
}

// While one receiver does not answer, another one gets its messages; and Run ends when
// its context ends.
func TestRun_HangingReceiver_DelaysNoOther(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 1), make(chan struct{})
	hanging := newReceiver(t, func(string, int) int {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return http.StatusOK
	})
	defer close(release)
	delivered := make(chan string, 1)
	quick := newReceiver(t, func(id string, _ int) int { delivered <- id; return http.StatusOK })
	c := configTo(hanging, "*")
	second := hookAt(quick.URL, "*")
	second.Name = "siem"
	c.Hooks = append(c.Hooks, second)
	b := newBench(t, c)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); b.service.Run(ctx) }()
	b.add(t, "m")
	b.service.Notify("default")
	<-entered
	require.NoError(t, b.service.Store.Update(t.Context(), func(tx storage.Tx) error {
		return tx.Outbox().Add(storage.Message{ID: "n", Tenant: "default", Webhook: "siem", Kind: ApprovalAsked, Body: "{}", At: b.now, Due: b.now, GiveUp: b.now.Add(Lifetime)})
	}))
	b.service.Notify("default")
	require.Equal(t, "n", <-delivered)
	stop()
	<-ended
	require.Equal(t, 1, hanging.times("m"))
	var m storage.Message
	require.NoError(t, b.service.Store.View(t.Context(), func(tx storage.Tx) (err error) { m, err = tx.Outbox().Get("m"); return err }))
	require.Zero(t, m.Attempts, "an attempt that the end of the server broke off does not count")
}

func TestBackoff_EachAttempt_IsWithinItsInterval(t *testing.T) {
	t.Parallel()
	for attempts := range 100 {
		full := firstRetry
		for range min(max(attempts-1, 0), 30) {
			full = min(2*full, lastRetry)
		}
		for range 20 {
			wait := backoff(attempts)
			require.GreaterOrEqual(t, wait, full/2)
			require.Less(t, wait, full)
		}
	}
}
