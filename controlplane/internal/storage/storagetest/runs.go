package storagetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/idtext"
)

var runTests = []func(t *testing.T, open Open){
	runsLatestRunIsOfTenantSubjectAndWorkflow,
	runsListNewestFirst,
	runsEndedRunsAreBoundedForEachSubject,
	runsSaveAndTakeOnlyTheTenantsOwn,
	taskAdmissionsBelongToOneTaskOfOneRun,
	runsToWakeWhatIsWaitedForHasEnded,
	taskResultsKeyIsOfTenantSubjectAndPrincipal,
	runQuotaOpenRunsAreBoundedForASubjectAndATenant,
	onlyTheTasksThatChangedAreWritten,
}

func addRun(t *testing.T, db storage.Store, id, tenant, subject, workflow string) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error {
		return tx.Runs().Add(storage.Run{ID: id, Tenant: tenant, Subject: subject, KeyID: "key_" + subject, WorkflowID: workflow, Caller: "{}", Request: "{}", State: "{}"})
	})
}

func endRun(t *testing.T, db storage.Store, tenant, id string) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error { return tx.Runs().Save(tenant, id, "{}", true, nil) })
}

// A run is found by its tenant, its subject and the id of its workflow.
func runsLatestRunIsOfTenantSubjectAndWorkflow(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addRun(t, db, "r1", "t", "a", "w")
	addRun(t, db, "r2", "t", "a", "w")
	addRun(t, db, "r3", "t", "b", "w")
	addRun(t, db, "r4", "other", "a", "w")
	addRun(t, db, "r5", "t", "a", "v")
	latest := func(tenant, workflow, subject string) (id string, err error) {
		err = db.View(t.Context(), func(tx storage.Tx) error {
			run, err := tx.Runs().LatestOf(tenant, workflow, subject)
			if subject == "" {
				run, err = tx.Runs().Latest(tenant, workflow)
			}
			id = run.ID
			return err
		})
		return id, err
	}
	for _, c := range [][4]string{{"t", "w", "a", "r2"}, {"t", "w", "b", "r3"}, {"t", "w", "", "r3"}, {"other", "w", "", "r4"}, {"t", "v", "a", "r5"}} {
		id, err := latest(c[0], c[1], c[2])
		require.NoError(t, err)
		require.Equal(t, c[3], id, c)
	}
	for _, c := range [][3]string{{"t", "w", "A"}, {"t", "v", "b"}, {"none", "w", ""}, {"other", "v", "a"}} {
		_, err := latest(c[0], c[1], c[2])
		require.ErrorIs(t, err, storage.ErrNotFound, c)
	}
}

// The latest ended runs are kept, for each subject separately: the runs of one subject
// do not cause the deletion of another subject's runs with the same workflow id.
func runsEndedRunsAreBoundedForEachSubject(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addRun(t, db, "mine", "t", "a", "w")
	endRun(t, db, "t", "mine")
	addRun(t, db, "waits", "t", "b", "w")
	for i := range storage.KeptRuns + 5 {
		id := "b" + strconv.Itoa(i)
		addRun(t, db, id, "t", "b", "w")
		endRun(t, db, "t", id)
	}
	kept := func(id string) bool {
		err := db.View(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Runs().Get("t", id)
			return err
		})
		if err != nil {
			require.ErrorIs(t, err, storage.ErrNotFound)
		}
		return err == nil
	}
	require.True(t, kept("mine"))
	require.True(t, kept("waits"), "a run that has not ended is kept")
	for i := range storage.KeptRuns + 5 {
		require.Equal(t, i >= 5, kept("b"+strconv.Itoa(i)), "the oldest are deleted first")
	}
}

// Save and SetKey change only an unfinished run of the tenant.
func runsSaveAndTakeOnlyTheTenantsOwn(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addRun(t, db, "r", "t", "a", "w")
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
		return tx.Runs().Save("other", "r", "{}", true, map[string]string{"x": "{}"})
	}), storage.ErrNotFound)
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Runs().SetKey("other", "r", "k", "{}") }), storage.ErrNotFound)
	write(t, db, func(tx storage.Tx) error { return tx.Runs().SetKey("t", "r", "k2", `{"key_id":"k2"}`) })
	run := readRun(t, db, "t", "r")
	require.Equal(t, "k2", run.KeyID)
	require.Equal(t, "a", run.Subject, "the run still belongs to its subject")
	require.JSONEq(t, `{"key_id":"k2"}`, run.Caller)
	require.False(t, run.Ended)
	require.Empty(t, run.Tasks)
	endRun(t, db, "t", "r")
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Runs().SetKey("t", "r", "k3", "{}") }), storage.ErrNotFound)
	require.Equal(t, "k2", readRun(t, db, "t", "r").KeyID)
}

func readRun(t *testing.T, db storage.Store, tenant, id string) (run storage.Run) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		run, err = tx.Runs().Get(tenant, id)
		return err
	}))
	return run
}

// An admission is found by tenant, run and task, until the run ends or its admissions
// are deleted.
func taskAdmissionsBelongToOneTaskOfOneRun(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addRun(t, db, "r1", "t", "a", "w")
	addRun(t, db, "r2", "t", "a", "v")
	set := func(tenant, run, task string, a storage.TaskAdmission) {
		write(t, db, func(tx storage.Tx) error { return tx.Runs().SetAdmission(tenant, run, task, a) })
	}
	get := func(tenant, run, task string) (a storage.TaskAdmission, err error) {
		err = db.View(context.WithoutCancel(t.Context()), func(tx storage.Tx) error {
			a, err = tx.Runs().Admission(tenant, run, task)
			return err
		})
		return a, err
	}
	set("t", "r1", "x", storage.TaskAdmission{ApprovalID: "apr_1"})
	set("t", "r1", "y", storage.TaskAdmission{ApprovalID: "apr_2", Attempt: 1})
	set("t", "r2", "x", storage.TaskAdmission{ApprovalID: "apr_3", Attempt: 2})
	set("t", "r1", "x", storage.TaskAdmission{ApprovalID: "apr_1", Attempt: 3})
	for _, c := range []struct {
		run, task string
		want      storage.TaskAdmission
	}{{"r1", "x", storage.TaskAdmission{ApprovalID: "apr_1", Attempt: 3}}, {"r1", "y", storage.TaskAdmission{ApprovalID: "apr_2", Attempt: 1}}, {"r2", "x", storage.TaskAdmission{ApprovalID: "apr_3", Attempt: 2}}} {
		a, err := get("t", c.run, c.task)
		require.NoError(t, err)
		require.Equal(t, c.want, a)
	}
	for _, c := range [][3]string{{"other", "r1", "x"}, {"t", "r2", "y"}, {"t", "r3", "x"}} {
		_, err := get(c[0], c[1], c[2])
		require.ErrorIs(t, err, storage.ErrNotFound, c)
	}
	write(t, db, func(tx storage.Tx) error { return tx.Runs().ForgetAdmissions("t", "r1") })
	_, err := get("t", "r1", "y")
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = get("t", "r2", "x")
	require.NoError(t, err, "the admission of another run is kept")
	endRun(t, db, "t", "r2")
	_, err = get("t", "r2", "x")
	require.ErrorIs(t, err, storage.ErrNotFound, "the admissions of an ended run are deleted")
}

// A waiting run can continue only if one of its approvals is decided, expired or
// deleted, or if its key is revoked.
func runsToWakeWhatIsWaitedForHasEnded(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	ids, keys := map[string]string{}, map[string]string{}
	for i, name := range []string{"pending", "approved", "rejected", "expires", "withdrawn", "key revoked", "ended", "gone", "two"} {
		subject := "s" + strconv.Itoa(i)
		addRun(t, db, name, "default", subject, "w")
		var key storage.Key
		copy(key.Hash[:], subject)
		key.ID, key.Tenant, key.Subject, key.Role = "key_"+subject, "default", subject, "service"
		keys[name] = key.ID
		write(t, db, func(tx storage.Tx) error {
			if err := tx.Keys().Add(key); err != nil {
				return err
			}
			at := noon
			if name == "expires" {
				at = noon.Add(-30 * time.Minute)
			}
			a, _, err := askFor(tx, at, storage.Actor{KeyID: key.ID, Subject: subject}, aureus.Approval{
				ID: idtext.Approval(aureus.NewDecisionID(noon)), Principal: aureus.Principal{ID: subject}, Action: aureus.Action{RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, ActionDigest: aureus.Digest{byte(i)},
			})
			if err != nil {
				return err
			}
			ids[name] = a.ID
			waits := map[string]string{"task": a.ID}
			if name == "two" {
				waits = map[string]string{"task": ids["pending"], "other": ids["approved"]}
			}
			return tx.Runs().SetWaits("default", name, waits)
		})
	}
	wake := func(now time.Time, limit int) (names map[string]bool, next time.Time) {
		names = map[string]bool{}
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			clear(names)
			list, first, err := tx.Runs().ToWake(now, limit)
			for _, run := range list {
				require.Equal(t, "default", run.Tenant)
				require.Equal(t, keys[run.ID], run.KeyID)
				require.False(t, names[run.ID], "a run is listed once")
				names[run.ID] = true
			}
			next = first
			return err
		}))
		return names, next
	}
	names, next := wake(noon, 100)
	require.Empty(t, names)
	require.Equal(t, noon.Add(30*time.Minute), next)

	decider := storage.Actor{KeyID: "key_olga", Subject: "olga"}
	write(t, db, func(tx storage.Tx) error {
		for name, approve := range map[string]bool{"approved": true, "rejected": false} {
			a, err := tx.Approvals().Get("default", noon, ids[name], nil)
			if err != nil {
				return err
			}
			if _, err := tx.Approvals().Decide("default", noon, decider, a.ID, storage.NewVerdict{Approve: approve, Role: "operator", Digest: a.ActionDigest}, hour); err != nil {
				return err
			}
		}
		if err := tx.Approvals().Withdraw("default", noon, ids["withdrawn"], "x"); err != nil {
			return err
		}
		if _, err := tx.Keys().Revoke("key_s5", noon); err != nil {
			return err
		}
		if err := tx.Runs().SetWaits("default", "gone", map[string]string{"task": "apr_unknown"}); err != nil {
			return err
		}
		return tx.Runs().Save("default", "ended", "{}", true, nil)
	})
	names, _ = wake(noon, 100)
	require.Equal(t, map[string]bool{"approved": true, "rejected": true, "withdrawn": true, "key revoked": true, "gone": true, "two": true}, names)
	names, _ = wake(noon, 2)
	require.Len(t, names, 2)
	names, next = wake(noon.Add(30*time.Minute), 100)
	require.False(t, names["expires"], "an approval can be decided up to and including its end")
	require.Equal(t, noon.Add(30*time.Minute), next)
	names, next = wake(noon.Add(30*time.Minute+1), 100)
	require.True(t, names["expires"])
	require.Equal(t, noon.Add(time.Hour), next)
	names, next = wake(noon.Add(time.Hour+1), 100)
	require.True(t, names["pending"])
	require.False(t, names["ended"])
	require.Zero(t, next)

	write(t, db, func(tx storage.Tx) error { return tx.Runs().SetWaits("default", "approved", nil) })
	names, _ = wake(noon, 100)
	require.False(t, names["approved"], "the run no longer waits for an approval")
}

// A result is found only by its tenant, subject, principal and idempotency key.
func taskResultsKeyIsOfTenantSubjectAndPrincipal(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	key := storage.TaskKey{Tenant: "t", Subject: "s", Principal: "p", Key: "k"}
	get := func(key storage.TaskKey, now time.Time) (r storage.TaskResult, err error) {
		err = db.View(context.WithoutCancel(t.Context()), func(tx storage.Tx) error {
			r, err = tx.Runs().Result(key, now)
			return err
		})
		return r, err
	}
	add := func(key storage.TaskKey, result, run string, at time.Time) {
		write(t, db, func(tx storage.Tx) error {
			return tx.Runs().AddResult(storage.TaskResult{TaskKey: key, Content: []byte{1}, Result: result, RunID: run, TaskID: "a", CommittedAt: at})
		})
	}
	add(key, `"mine"`, "r1", noon)
	others := []storage.TaskKey{
		{Tenant: "u", Subject: "s", Principal: "p", Key: "k"},
		{Tenant: "t", Subject: "other", Principal: "p", Key: "k"},
		{Tenant: "t", Subject: "s", Principal: "other", Key: "k"},
		{Tenant: "t", Subject: "s", Principal: "p", Key: "other"},
	}
	for _, other := range others {
		_, err := get(other, noon)
		require.ErrorIs(t, err, storage.ErrNotFound, other)
	}
	for i, other := range others {
		add(other, strconv.Itoa(i), "r2", noon)
	}
	r, err := get(key, noon)
	require.NoError(t, err)
	require.Equal(t, `"mine"`, r.Result)
	require.Equal(t, "r1", r.RunID)
	for i, other := range others {
		r, err := get(other, noon)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i), r.Result)
	}

	write(t, db, func(tx storage.Tx) error { return tx.Runs().ForgetResult("r2", "b") })
	write(t, db, func(tx storage.Tx) error { return tx.Runs().ForgetResult("r1", "a") })
	_, err = get(key, noon)
	require.ErrorIs(t, err, storage.ErrNotFound, "the result of an undone task is deleted")
	_, err = get(others[0], noon)
	require.NoError(t, err, "the results of other tasks are kept")

	add(key, `"again"`, "r3", noon)
	_, err = get(key, noon.Add(storage.TaskResultLife-1))
	require.NoError(t, err)
	_, err = get(key, noon.Add(storage.TaskResultLife))
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// The number of unfinished runs is limited for each subject and each tenant. A
// subject or tenant that has reached its limit does not affect the others.
func runQuotaOpenRunsAreBoundedForASubjectAndATenant(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	quota := storage.RunQuota{Subject: 3, Bytes: 100, Tenant: 5, Beyond: 1}
	room := func(tenant, subject string, size int) error {
		return db.View(t.Context(), func(tx storage.Tx) error {
			open, err := tx.Runs().CountOpen(tenant, subject)
			if err != nil {
				return err
			}
			return quota.Room(open, size)
		})
	}
	for _, id := range []string{"a1", "a2", "a3"} {
		require.NoError(t, room("t", "a", 2))
		addRun(t, db, id, "t", "a", id)
	}
	require.ErrorIs(t, room("t", "a", 2), storage.ErrTooManyRuns)
	require.NoError(t, room("t", "b", 2), "another subject")
	require.NoError(t, room("other", "a", 2), "another tenant")
	addRun(t, db, "b1", "t", "b", "b1")
	addRun(t, db, "b2", "t", "b", "b2")
	require.ErrorIs(t, room("t", "b", 2), storage.ErrTooManyRuns, "the limit of the tenant is reached")
	require.NoError(t, room("t", "c", 2), "but each subject may still have one run")
	require.NoError(t, room("other", "b", 2))

	endRun(t, db, "t", "a1")
	require.NoError(t, room("t", "b", 2), "an ended run does not count")
	require.NoError(t, room("t", "a", 96))
	require.ErrorIs(t, room("t", "a", 97), storage.ErrTooManyRuns, "the requests of two runs have 4 bytes")
}

func onlyTheTasksThatChangedAreWritten(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	save := func(tasks map[string]string) {
		t.Helper()
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Runs().Save("t", "r0", "{}", true, tasks) }))
	}
	add := func(id string) {
		t.Helper()
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Runs().Add(storage.Run{ID: id, Tenant: "t", WorkflowID: "w", State: "{}"})
		}))
	}
	read := func(id string) (run storage.Run, err error) {
		err = db.View(context.WithoutCancel(t.Context()), func(tx storage.Tx) error {
			run, err = tx.Runs().Get("t", id)
			return err
		})
		return run, err
	}
	add("r0")
	save(map[string]string{"a": "1", "b": "2", "c": "3"})
	save(map[string]string{"b": "4", "c": "", "d": ""})
	run, err := read("r0")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1", "b": "4"}, run.Tasks)

	for i := range storage.KeptRuns {
		add(fmt.Sprint("r", i+1))
	}
	_, err = read("r0")
	require.ErrorIs(t, err, storage.ErrNotFound)
	add("r0")
	run, err = read("r0")
	require.NoError(t, err)
	require.Empty(t, run.Tasks, "the tasks of a deleted run are deleted too")
}
