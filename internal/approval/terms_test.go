package approval_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/wire"
)

func terms(quorum int, roles []string, decide, use time.Duration) aureus.ApprovalTerms {
	return aureus.ApprovalTerms{Quorum: quorum, Roles: roles, DecideWithin: decide, UseWithin: use}
}

func TestCheckTerms_EachBound_IsChecked(t *testing.T) {
	t.Parallel()
	for _, good := range []aureus.ApprovalTerms{
		{},
		{Quorum: 1, DecideWithin: time.Second, UseWithin: time.Second},
		{Quorum: 10, Roles: []string{"admin", "operator"}, DecideWithin: 30 * 24 * time.Hour, UseWithin: 30 * 24 * time.Hour},
	} {
		require.NoError(t, approval.CheckTerms(good))
	}
	for pointer, bad := range map[string][]aureus.ApprovalTerms{
		"/quorum":           {{Quorum: -1}, {Quorum: 11}},
		"/roles":            {{Roles: []string{"operator", "admin", "admin"}}},
		"/roles/0":          {{Roles: []string{"service"}}, {Roles: []string{"Operator"}}, {Roles: []string{""}}},
		"/roles/1":          {{Roles: []string{"admin", "admin"}}},
		"/decide_within_ms": {{DecideWithin: time.Second - 1}, {DecideWithin: -time.Hour}, {DecideWithin: 30*24*time.Hour + 1}},
		"/use_within_ms":    {{UseWithin: time.Second - 1}, {UseWithin: -time.Hour}, {UseWithin: 30*24*time.Hour + 1}},
	} {
		for _, one := range bad {
			invalid, ok := errors.AsType[*invalidrequest.Error](approval.CheckTerms(one))
			require.True(t, ok, "%+v", one)
			require.Equal(t, pointer, invalid.Pointer)
		}
	}
}

func TestTermsOf_Milliseconds_AreNeverCountedWrong(t *testing.T) {
	t.Parallel()
	got, err := approval.TermsOf(nil)
	require.NoError(t, err)
	require.Zero(t, got)
	got, err = approval.TermsOf(&wire.ApprovalTerms{Quorum: 2, Roles: []string{"admin"}, DecideWithinMS: 1500, UseWithinMS: 30 * 24 * 3600 * 1000})
	require.NoError(t, err)
	require.Equal(t, terms(2, []string{"admin"}, 1500*time.Millisecond, approval.MaxTime), got)
	for _, ms := range []int64{-1, 999, math.MinInt64, math.MaxInt64, 1 << 62, 18446744073709551} { // most overflow as nanoseconds
		_, err = approval.TermsOf(&wire.ApprovalTerms{DecideWithinMS: ms})
		require.ErrorIs(t, err, aureus.ErrInvalid, ms)
		_, err = approval.TermsOf(&wire.ApprovalTerms{UseWithinMS: ms})
		require.ErrorIs(t, err, aureus.ErrInvalid, ms)
	}
}

func TestMayDecide_EachRole_IncludesTheStrongerOnes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		permitted []string
		deciders  []string
	}{
		{nil, []string{"operator", "admin"}},
		{[]string{"operator"}, []string{"operator", "admin"}},
		{[]string{"admin"}, []string{"admin"}},
		{[]string{"admin", "operator"}, []string{"operator", "admin"}},
		{[]string{""}, nil},
		{[]string{"service", "auditor"}, nil},
	} {
		for _, role := range []string{"operator", "admin", "service", "auditor", ""} {
			may := false
			for _, decider := range c.deciders {
				may = may || decider == role
			}
			require.Equal(t, may, approval.MayDecide(c.permitted, role), "%q by %q", c.permitted, role)
		}
	}
}

func TestStricter_AnyTwoTerms_CoversBoth(t *testing.T) {
	t.Parallel()
	var all []aureus.ApprovalTerms
	for _, quorum := range []int{0, 1, 2, 10} {
		for _, roles := range [][]string{nil, {"operator"}, {"admin"}, {"operator", "admin"}, {"unknown"}} {
			for _, decide := range []time.Duration{0, time.Minute, 2 * time.Hour} {
				for _, use := range []time.Duration{0, time.Minute, 2 * time.Hour} {
					all = append(all, terms(quorum, roles, decide, use))
				}
			}
		}
	}
	for _, a := range all {
		require.True(t, approval.Covers(approval.Complete(a, life), a), "%+v", a)
		for _, b := range all {
			both := approval.Complete(approval.Stricter(a, b), life)
			if !approval.Covers(both, a) || !approval.Covers(both, b) {
				t.Fatalf("%+v does not cover both %+v and %+v", both, a, b)
			}
		}
	}
	require.Equal(t, terms(3, []string{"admin"}, time.Minute, 2*time.Minute), approval.Stricter(
		terms(2, []string{"operator"}, time.Minute, 3*time.Minute), terms(3, []string{"admin"}, time.Hour, 2*time.Minute)))
	require.Equal(t, terms(1, []string{"operator"}, time.Minute, life.Use), approval.Complete(aureus.ApprovalTerms{DecideWithin: time.Minute}, life))
}

func TestTighten_ServiceAsks_OnlyMakesItStricter(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, c := range []struct{ own, asked, want aureus.ApprovalTerms }{
		{asked: terms(0, nil, day, day)},
		{asked: terms(2, []string{"admin"}, time.Minute, time.Second), want: terms(2, []string{"admin"}, time.Minute, time.Second)},
		{own: terms(3, []string{"admin"}, day, day), want: terms(3, []string{"admin"}, day, day)},
		{own: terms(3, []string{"admin"}, day, day), asked: terms(1, []string{"operator"}, 2*day, 2*day), want: terms(3, []string{"admin"}, day, day)},
		{own: terms(1, []string{"operator"}, day, day), asked: terms(2, nil, 2*time.Hour, time.Hour), want: terms(2, []string{"operator"}, 2*time.Hour, time.Hour)},
		{own: terms(0, nil, time.Minute, 0), asked: terms(0, nil, time.Hour, time.Hour), want: terms(0, nil, time.Minute, 0)},
	} {
		require.Equal(t, c.want, approval.Tighten(c.own, c.asked, life), "%+v", c)
	}
}

func TestCovers_OneWeakerField_DoesNotCover(t *testing.T) {
	t.Parallel()
	needed := terms(2, []string{"admin"}, time.Hour, time.Minute)
	require.True(t, approval.Covers(needed, needed))
	for _, weaker := range []aureus.ApprovalTerms{
		terms(1, []string{"admin"}, time.Hour, time.Minute),
		terms(2, []string{"operator"}, time.Hour, time.Minute),
		terms(2, nil, time.Hour, time.Minute),
		terms(2, []string{"admin"}, time.Hour+1, time.Minute),
		terms(2, []string{"admin"}, time.Hour, time.Minute+1),
	} {
		require.False(t, approval.Covers(weaker, needed), "%+v", weaker)
	}
}
