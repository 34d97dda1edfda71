package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const diskOperator = "the-operator-of-this-test"

// trouble is a way to take a running server's disk away, and to give it back.
type trouble struct {
	server     *running
	take, give func(t *testing.T)
}

// troubles are the ways that work here. The kernel refuses the writes in each.
var troubles = map[string]func(t *testing.T) trouble{
	"a full file system":             fullFileSystem,
	"files that may not grow":        sizeLimit("grow"),
	"files that may not be written":  sizeLimit("write"),
	"files that have been locked up": immutable,
}

func serveOn(t *testing.T, db string) *exec.Cmd {
	t.Helper()
	return command(t, []string{"AUREUS_OPERATOR_KEY=" + diskOperator}, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", db)
}

func telemetryOf(db string) string { return strings.TrimSuffix(db, ".db") + ".telemetry.db" }

// inNamespace lets the command see folder as a small file system of its own,
// which ends with it, and runs prepare there first.
func inNamespace(t *testing.T, cmd *exec.Cmd, folder, prepare string) *exec.Cmd {
	t.Helper()
	small := func(args ...string) *exec.Cmd {
		script := `mount -t tmpfs -o size=24m,mode=700 aureus "$0" && ` + prepare + ` && exec "$@"`
		inside := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, folder}, args...)...)
		inside.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		return inside
	}
	if said, err := small("true").CombinedOutput(); err != nil {
		t.Skipf("this machine does not let a test mount a file system in a namespace of its own (%v: %s): "+
			"allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; --security-opt seccomp=unconfined in a container)", err, said)
	}
	inside := small(append([]string{cmd.Path}, cmd.Args[1:]...)...)
	inside.Env, inside.Dir = append(cmd.Env, "PATH="+os.Getenv("PATH")), cmd.Dir //nolint:gocritic // another command with the same environment
	return inside
}

// fullFileSystem is a file system of 24 MiB that a file of nothing fills up.
func fullFileSystem(t *testing.T) trouble { //nolint:thelper // a case, not a helper
	folder := t.TempDir()
	server := await(t, inNamespace(t, serveOn(t, filepath.Join(folder, "aureus.db")), folder, "true"))
	filler := filepath.Join("/proc", strconv.Itoa(server.cmd.Process.Pid), "root", folder, "filler") //nolint:gocritic // an absolute path
	return trouble{
		server: server,
		take: func(t *testing.T) {
			t.Helper()
			file, err := os.Create(filler)
			require.NoError(t, err)
			defer func() { require.NoError(t, file.Close()) }()
			_, err = io.Copy(file, zeros{})
			require.ErrorIs(t, err, syscall.ENOSPC)
		},
		give: func(t *testing.T) {
			t.Helper()
			require.NoError(t, os.Remove(filler))
		},
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sizeLimit is the kernel's limit on the size of a process's files, changed from
// outside: needs no privilege.
func sizeLimit(may string) func(t *testing.T) trouble {
	return func(t *testing.T) trouble {
		t.Helper()
		return limitedOn(t, filepath.Join(t.TempDir(), "aureus.db"), may)
	}
}

func limitedOn(t *testing.T, db, may string) trouble {
	t.Helper()
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("prlimit is not installed: install util-linux to have this run")
	}
	server := await(t, serveOn(t, db))
	limit := func(t *testing.T, size string) {
		t.Helper()
		said, err := exec.CommandContext(t.Context(), prlimit, "--pid", strconv.Itoa(server.cmd.Process.Pid), "--fsize="+size+":").CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	return trouble{
		server: server,
		take: func(t *testing.T) {
			t.Helper()
			size := int64(0)
			if may == "grow" { // no log may: the smaller one is the limit of both
				control, err := os.Stat(db + "-wal")
				require.NoError(t, err)
				telemetry, err := os.Stat(telemetryOf(db) + "-wal")
				require.NoError(t, err)
				size = min(control.Size(), telemetry.Size())
			}
			limit(t, strconv.FormatInt(size, 10))
		},
		give: func(t *testing.T) { t.Helper(); limit(t, "unlimited") },
	}
}

// immutable is the attribute that holds even root back.
func immutable(t *testing.T) trouble { //nolint:thelper // a case, not a helper
	db := filepath.Join(t.TempDir(), "aureus.db")
	server := await(t, serveOn(t, db))
	telemetry := telemetryOf(db)
	change := func(sign string) error {
		said, err := exec.Command("chattr", sign+"i", db, db+"-wal", telemetry, telemetry+"-wal").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}
	if err := change("+"); err != nil {
		_ = change("-")
		t.Skipf("files cannot be made immutable here (%v): run this as root, with TMPDIR on ext4, xfs or btrfs", err)
	}
	t.Cleanup(func() { _ = change("-") }) // or the folder of the test stays for ever
	require.NoError(t, change("-"))
	return trouble{
		server: server,
		take:   func(t *testing.T) { t.Helper(); require.NoError(t, change("+")) },
		give:   func(t *testing.T) { t.Helper(); require.NoError(t, change("-")) },
	}
}

// said is an answer of the server.
type said struct {
	status int
	header http.Header
	body   any
	text   string
}

// ask makes one request, as the operator or as a service.
func (r *running) ask(t *testing.T, method, path, key string, body any) said {
	t.Helper()
	answer, err := r.try(t.Context(), method, path, key, body)
	require.NoError(t, err)
	return answer
}

func (r *running) try(ctx context.Context, method, path, key string, body any) (said, error) {
	var content io.Reader
	if body != nil {
		text, err := strictjson.Marshal(body)
		if err != nil {
			return said{}, err
		}
		content = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, content)
	if err != nil {
		return said{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return said{}, err
	}
	value, err := strictjson.Parse(text)
	return said{response.StatusCode, response.Header, value, string(text)}, err
}

func question(principal string, tier aureus.PolicyRiskTier) aureus.PolicyContext {
	return aureus.Request{
		Principal: aureus.Principal{ID: principal, Type: "agent"},
		Action:    aureus.Action{ID: "act", Name: "Act", RiskTier: tier},
	}.Context()
}

// change is a request that has something to record.
type change struct {
	name, path, key string
	body            any
}

// changes are all sorts of them. Their principals, ids and names are the mark.
func changes(mark string, pending, approved aureus.Approval) []change {
	const at = "2026-01-01T00:00:00Z"
	span := aureus.Span{ID: mark, TraceID: mark, Name: "n", StartTime: at}
	metric := aureus.Metric{Name: mark, Value: 1, Timestamp: at}
	event := aureus.TelemetryEvent{Type: aureus.EventStepEnd, Timestamp: at, WorkflowID: mark, Data: map[string]any{}}
	asked := question(mark+"-asked", aureus.TierHigh)
	decision := aureus.NewDecisionID(time.Now())
	const api, approvals, observability = "/api/v1/", "/api/v1/policy/approvals/", "/api/v1/observability/"
	return []change{
		{"an evaluation", api + "policy/evaluate", "", question(mark, aureus.TierLow)},
		{"an evaluation that opens an approval", api + "policy/evaluate", "", question(mark, aureus.TierHigh)},
		{"a request for an approval", api + "policy/approval", "", map[string]any{"action": asked.Action, "principal": asked.Principal, "reason": mark}},
		{"a person's approval", approvals + pending.ID + "/approve", diskOperator, map[string]any{"action_digest": pending.ActionDigest, "comment": mark}},
		{"an approval that is spent", approvals + approved.ID + "/consume", "", aureus.ApprovalUse{
			PrincipalID: approved.Principal.ID, ActionDigest: approved.ActionDigest, DecisionID: decision,
		}},
		{"a gate's result", api + "crv/validate", "", map[string]any{
			"commit":      aureus.Commit{ID: mark, Data: map[string]any{}},
			"gate_config": aureus.GateConfig{Name: mark, Validators: []string{"not_null"}, BlockOnFailure: true},
		}},
		{"a validator", api + "crv/validators", "", map[string]any{
			"validator_id": mark, "config": map[string]any{"type": "max_size", "parameters": map[string]any{"max": 10}},
		}},
		{"decisions made elsewhere", api + "audit/records/batch", "", []aureus.DecisionRecord{{
			DecisionID: decision, Principal: mark, Action: "act", Effect: "allow", ReasonCode: aureus.ReasonLowRisk,
		}}},
		{"outcomes", api + "audit/outcomes/batch", "", []aureus.Outcome{{DecisionID: decision, Status: mark}}},
		{"a span", observability + "spans", "", span},
		{"spans", observability + "spans/batch", "", []aureus.Span{span, span}},
		{"a metric", observability + "metrics", "", metric},
		{"metrics", observability + "metrics/batch", "", []aureus.Metric{metric}},
		{"an event", observability + "events", "", event},
		{"events", observability + "events/batch", "", []aureus.TelemetryEvent{event}},
	}
}

func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

// opened evaluates something that needs a person, and gives the approval.
func (r *running) opened(t *testing.T, principal string) (approval aureus.Approval) {
	t.Helper()
	asked := r.ask(t, "POST", "/api/v1/policy/evaluate", "", question(principal, aureus.TierHigh))
	require.Equal(t, http.StatusOK, asked.status, asked.text)
	shown := r.ask(t, "GET", fmt.Sprint("/api/v1/policy/approvals/", object(asked.body)["approval_token"]), diskOperator, nil)
	require.NoError(t, strictjson.Unmarshal([]byte(shown.text), &approval), shown.text)
	return approval
}

// approved is opened, and a person's approval of it.
func (r *running) approved(t *testing.T, principal string) aureus.Approval {
	t.Helper()
	approval := r.opened(t, principal)
	done := r.ask(t, "POST", "/api/v1/policy/approvals/"+approval.ID+"/approve", diskOperator, map[string]any{"action_digest": approval.ActionDigest})
	require.Equal(t, http.StatusOK, done.status, done.text)
	return approval
}

func (r *running) ready(t *testing.T) said {
	t.Helper()
	return r.ask(t, "GET", "/readyz", "", nil)
}

// While a running server's disk takes no writes, everything that has something
// to record is refused whole, reads go on, and the server says that it is not
// ready. When the disk is back so is the server, without a restart.
func TestWithoutADisk(t *testing.T) {
	for name, start := range troubles {
		t.Run(name, func(t *testing.T) {
			disk := start(t)
			server := disk.server
			pending, approved := server.opened(t, "before-1"), server.approved(t, "before-2")
			done := func(changes []change) {
				for _, c := range changes {
					answer := server.ask(t, "POST", c.path, c.key, c.body)
					require.Equal(t, http.StatusOK, answer.status, "%s: %s", c.name, answer.text)
				}
			}
			done(changes("before", server.opened(t, "before-3"), server.approved(t, "before-4")))
			require.Equal(t, http.StatusOK, server.ready(t).status)
			log := server.auditLog(t)

			disk.take(t)
			refused := changes("refused", pending, approved)
			for _, c := range refused {
				unavailable(t, c.name, server.ask(t, "POST", c.path, c.key, c.body))
			}
			unavailable(t, "readiness", server.ready(t))
			require.Equal(t, http.StatusOK, server.ask(t, "GET", "/healthz", "", nil).status)
			server.readsAsBefore(t, log, pending)

			disk.give(t)
			require.Eventually(t, func() bool { return server.ready(t).status == http.StatusOK }, 20*time.Second, 50*time.Millisecond,
				"it is ready again without any other write")
			server.readsAsBefore(t, log, pending)
			done(refused)
			require.True(t, strings.HasPrefix(server.auditLog(t), strings.TrimSuffix(log, "]\n")), "the log goes on where it was")
			server.stop(t, syscall.SIGTERM)
			require.Contains(t, server.stderr.String(), "STATE_STORE_ERROR", "the log says it too")
		})
	}
}

// unavailable wants the answer of a server that cannot write.
func unavailable(t *testing.T, what string, answer said) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, answer.status, "%s: %s", what, answer.text)
	body := object(answer.body)
	require.Equal(t, "STATE_STORE_ERROR", body["code"], what)
	for _, field := range []string{"error", "remediation", "request_id"} {
		require.NotEmpty(t, body[field], "%s: %s", what, field)
	}
	seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
	require.NoError(t, err, what)
	require.Positive(t, seconds, what)
}

// auditLog is the whole log, after checking its chain.
func (r *running) auditLog(t *testing.T) string {
	t.Helper()
	verified := r.ask(t, "GET", "/api/v1/audit/verify", diskOperator, nil)
	require.Equal(t, http.StatusOK, verified.status, verified.text)
	require.Equal(t, true, object(verified.body)["valid"], verified.text)
	entries := r.ask(t, "GET", "/api/v1/audit?limit=5000", diskOperator, nil)
	require.Equal(t, http.StatusOK, entries.status, entries.text)
	return entries.text
}

// readsAsBefore wants everything that can be read to be as it was, and nothing
// of what was refused.
func (r *running) readsAsBefore(t *testing.T, log string, pending aureus.Approval) {
	t.Helper()
	require.Equal(t, log, r.auditLog(t))
	require.NotContains(t, log, "refused")
	for path, holds := range map[string]string{
		"/api/v1/policy/approvals?limit=1000":                 pending.ID,
		"/api/v1/policy/approvals/" + pending.ID:              `"pending"`,
		"/api/v1/crv/validators":                              "before",
		"/api/v1/observability/traces/before":                 "before",
		"/api/v1/observability/traces/refused":                "[]",
		"/api/v1/observability/metrics":                       "before",
		"/api/v1/observability/events":                        "before",
		"/api/v1/observability/summary?start_time=2026-01-01": "{",
		"/api/v1/policy/approvals?status=consumed&limit=1000": "before-4",
		"/api/v1/policy/approvals?status=approved&limit=1000": "before-2",
		"/api/v1/observability/events?workflow_id=refused":    "[]",
		"/api/v1/observability/metrics?name=refused":          "[]",
	} {
		answer := r.ask(t, "GET", path, diskOperator, nil)
		require.Equal(t, http.StatusOK, answer.status, "%s: %s", path, answer.text)
		require.Contains(t, answer.text, holds, path)
		require.NotContains(t, answer.text, "refused", path)
	}
	someone := question("someone", aureus.TierLow)
	checked := r.ask(t, "POST", "/api/v1/policy/check", "", map[string]any{"principal": someone.Principal, "action": someone.Action})
	require.Equal(t, http.StatusOK, checked.status, "it records nothing: %s", checked.text)
}

// tally is what a server said to requests of one sort, each about a name of its
// own.
type tally struct {
	mu             sync.Mutex
	taken, refused map[string]bool
	other          []string
}

func (l *tally) note(name string, answer said, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && answer.status == http.StatusOK:
		l.taken[name] = true
	case err == nil && answer.status == http.StatusServiceUnavailable:
		l.refused[name] = true
	default:
		l.other = append(l.other, fmt.Sprintf("%s: %d %s %v", name, answer.status, answer.text, err))
	}
}

func (l *tally) counts() (taken, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.taken), len(l.refused)
}

// load is clients that ask for decisions and report spans until they are stopped.
type load struct {
	decisions, spans *tally

	stop    chan struct{}
	workers sync.WaitGroup
}

func underLoad(t *testing.T, server *running) *load {
	t.Helper()
	l := &load{
		decisions: &tally{taken: map[string]bool{}, refused: map[string]bool{}},
		spans:     &tally{taken: map[string]bool{}, refused: map[string]bool{}}, stop: make(chan struct{}),
	}
	for worker := range 4 {
		l.workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop: // never while a request is under way, whose end then nobody would know
					return
				default:
				}
				name, tier := fmt.Sprintf("w%d-%d", worker, n), aureus.TierLow
				if n%5 == 0 {
					tier = aureus.TierHigh
				}
				answer, err := server.try(t.Context(), "POST", "/api/v1/policy/evaluate", "", question(name, tier))
				l.decisions.note(name, answer, err)
				span := aureus.Span{ID: name, TraceID: "load", Name: "n", StartTime: "2026-01-01T00:00:00Z"}
				answer, err = server.try(t.Context(), "POST", "/api/v1/observability/spans", "", span)
				l.spans.note(name, answer, err)
			}
		})
	}
	return l
}

func (l *load) end() {
	close(l.stop)
	l.workers.Wait()
}

// until waits for some more of what is counted, of decisions and of spans.
func (l *load) until(t *testing.T, what string, count func(*tally) int) {
	t.Helper()
	const more = 25
	decisions, spans := count(l.decisions)+more, count(l.spans)+more
	require.Eventually(t, func() bool { return count(l.decisions) >= decisions && count(l.spans) >= spans }, 30*time.Second, 5*time.Millisecond, what)
}

func taken(l *tally) int { n, _ := l.counts(); return n }

func refused(l *tally) int { _, n := l.counts(); return n }

// compare wants what was taken to be there, and nothing that was refused.
func (l *load) compare(t *testing.T, operator *aureus.Client) {
	t.Helper()
	t.Logf("%d decisions and %d spans taken, %d and %d refused", taken(l.decisions), taken(l.spans), refused(l.decisions), refused(l.spans))
	verified, err := operator.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid, "%+v", verified)
	recorded := map[string]bool{}
	for entry, err := range operator.Audit(t.Context(), aureus.AuditQuery{}) {
		require.NoError(t, err)
		recorded[entry.Principal] = true
	}
	l.decisions.compare(t, "decision", recorded)
	kept := map[string]bool{}
	spans, err := operator.Trace(t.Context(), "load")
	require.NoError(t, err)
	for _, span := range spans {
		kept[span.ID] = true
	}
	l.spans.compare(t, "span", kept)
}

func (l *tally) compare(t *testing.T, what string, there map[string]bool) {
	t.Helper()
	for name := range l.taken {
		require.True(t, there[name], "the %s %s was taken, and is lost", what, name)
	}
	for name := range l.refused {
		require.False(t, there[name], "the %s %s was refused, and is there", what, name)
	}
}

// Under load from several clients a disk runs full and is emptied again, several
// times. Whatever a server acknowledged is there, and nothing that it refused.
func TestADiskThatFillsUpUnderLoad(t *testing.T) {
	for name, start := range troubles {
		t.Run(name, func(t *testing.T) {
			disk := start(t)
			load := underLoad(t, disk.server)
			for range 4 {
				load.until(t, "it works", taken)
				disk.take(t)
				load.until(t, "it refuses", refused)
				disk.give(t)
			}
			load.until(t, "it works again", taken)
			load.end()
			require.Empty(t, load.decisions.other)
			require.Empty(t, load.spans.other)
			load.compare(t, clientFor(t, disk.server.url, diskOperator))
			disk.server.stop(t, syscall.SIGTERM)
		})
	}
}

// A server that is killed on a full disk leaves a file that holds what it
// acknowledged, and nothing that it refused.
func TestKilledOnAFullDisk(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	disk := limitedOn(t, db, "grow")
	load := underLoad(t, disk.server)
	load.until(t, "it works", taken)
	disk.take(t)
	load.until(t, "it refuses", refused)
	require.NoError(t, disk.server.cmd.Process.Kill())
	require.Error(t, disk.server.cmd.Wait())
	load.end()
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	load.compare(t, srv.Operator("auditor"))
}

// A file that may not be written is refused at the start, with the reason.
func TestServeOnAReadOnlyFile(t *testing.T) {
	folder := t.TempDir()
	db := filepath.Join(folder, "aureus.db")
	first := await(t, serveOn(t, db))
	first.stop(t, syscall.SIGTERM)
	refusal := func(t *testing.T, cmd *exec.Cmd) string {
		t.Helper()
		said, err := cmd.CombinedOutput()
		require.Error(t, err, "%s", said)
		require.Contains(t, string(said), db)
		return string(said)
	}

	t.Run("a read-only file system", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.CopyFS(files, os.DirFS(folder)))
		cmd := inNamespace(t, serveOn(t, db), folder, `cp `+files+`/* "$0" && mount -o remount,bind,ro "$0"`)
		require.Contains(t, refusal(t, cmd), "read-only file system")
	})
	t.Run("a file without permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("permissions do not hold root back: run this as another user")
		}
		require.NoError(t, os.Chmod(db, 0o400))
		defer func() { require.NoError(t, os.Chmod(db, 0o600)) }()
		require.Contains(t, refusal(t, serveOn(t, db)), "permission denied")
	})
}
