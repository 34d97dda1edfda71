package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/wire"
)

// The bounds of [aureus.ApprovalTerms].
const (
	MaxQuorum = 10
	MinTime   = time.Second
	MaxTime   = 30 * 24 * time.Hour
)

// roles lists the roles of keys that may decide, from the weakest to the strongest.
// Each includes the ones after it.
var roles = []string{"operator", "admin"}

// CheckTerms checks the terms of an approval: each field must be zero or within its
// bounds. The error is an [*invalidrequest.Error] whose pointer is that of the field in
// the JSON form of the terms, such as /roles/0.
func CheckTerms(t aureus.ApprovalTerms) error {
	invalid := func(pointer, reason string) error {
		return &invalidrequest.Error{Pointer: pointer, Reason: reason}
	}
	if t.Quorum < 0 || t.Quorum > MaxQuorum {
		return invalid("/quorum", fmt.Sprintf("must be from 1 to %d: the number of different people who must approve", MaxQuorum))
	}
	if len(t.Roles) > len(roles) {
		return invalid("/roles", "must not name a role twice")
	}
	for i, role := range t.Roles {
		switch {
		case !slices.Contains(roles, role):
			return invalid("/roles/"+strconv.Itoa(i), fmt.Sprintf("%.40q is no role that decides approvals; the roles are %s", role, strings.Join(roles, " and ")))
		case slices.Contains(t.Roles[:i], role):
			return invalid("/roles/"+strconv.Itoa(i), "names a role twice")
		}
	}
	for _, field := range []struct {
		pointer string
		time    time.Duration
	}{{"/decide_within_ms", t.DecideWithin}, {"/use_within_ms", t.UseWithin}} {
		if field.time != 0 && (field.time < MinTime || field.time > MaxTime) {
			return invalid(field.pointer, fmt.Sprintf("must be from %s to %d days", MinTime, MaxTime/(24*time.Hour)))
		}
	}
	return nil
}

// TermsOf returns the terms that a request asks for, checked as by [CheckTerms]. nil asks
// for none.
func TermsOf(asked *wire.ApprovalTerms) (aureus.ApprovalTerms, error) {
	if asked == nil {
		return aureus.ApprovalTerms{}, nil
	}
	const tooLong = int64(MaxTime/time.Millisecond) + 1 // more could not be counted in nanoseconds
	duration := func(ms int64) time.Duration { return time.Duration(max(-1, min(ms, tooLong))) * time.Millisecond }
	terms := aureus.ApprovalTerms{
		Quorum: asked.Quorum, Roles: asked.Roles, DecideWithin: duration(asked.DecideWithinMS), UseWithin: duration(asked.UseWithinMS),
	}
	return terms, CheckTerms(terms)
}

// MayDecide reports whether a key with the role may decide an approval with these
// roles: it is one of them or stronger than one. Without roles it must be operator or
// stronger. An unknown role decides nothing and permits nobody.
func MayDecide(permitted []string, role string) bool {
	if len(permitted) == 0 {
		permitted = roles
	}
	have := slices.Index(roles, role)
	return slices.ContainsFunc(permitted, func(need string) bool {
		want := slices.Index(roles, need)
		return want >= 0 && have >= want
	})
}

// Stricter returns the terms that satisfy both: the larger quorum, the roles that both
// permit, and the shorter times. A zero field demands nothing.
func Stricter(a, b aureus.ApprovalTerms) aureus.ApprovalTerms {
	return aureus.ApprovalTerms{
		Quorum: max(a.Quorum, b.Quorum), Roles: common(a.Roles, b.Roles),
		DecideWithin: shorter(a.DecideWithin, b.DecideWithin), UseWithin: shorter(a.UseWithin, b.UseWithin),
	}
}

// common returns the weakest role that both lists permit. If there is none, because a
// list was not checked, nobody may decide.
func common(a, b []string) []string {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	for _, role := range roles {
		if MayDecide(a, role) && MayDecide(b, role) {
			return []string{role}
		}
	}
	return []string{""}
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// Tighten returns the terms of an approval that a service asks for: those of the
// server's own rules, or stricter ones where the service asks for them. The service
// cannot lengthen a time: one that is longer than that of the rules, or without one than
// the time limit of the server, has no effect.
func Tighten(own, asked aureus.ApprovalTerms, life Life) aureus.ApprovalTerms {
	if own.DecideWithin == 0 && asked.DecideWithin >= life.Decide {
		asked.DecideWithin = 0
	}
	if own.UseWithin == 0 && asked.UseWithin >= life.Use {
		asked.UseWithin = 0
	}
	return Stricter(own, asked)
}

// Covers reports whether an approval under the given terms is one that the needed terms
// permit: they are equally strict in every field, or stricter. Fields of the needed
// terms that are zero demand nothing; given must be complete, see [Complete].
func Covers(given, needed aureus.ApprovalTerms) bool {
	if given.Quorum < needed.Quorum || !rolesCover(given.Roles, needed.Roles) {
		return false
	}
	return (needed.DecideWithin == 0 || given.DecideWithin <= needed.DecideWithin) &&
		(needed.UseWithin == 0 || given.UseWithin <= needed.UseWithin)
}

// rolesCover reports whether nobody may decide by the given roles who may not by the
// needed ones.
func rolesCover(given, needed []string) bool {
	return !slices.ContainsFunc(roles, func(role string) bool { return MayDecide(given, role) && !MayDecide(needed, role) })
}

// Complete returns the terms with what a control plane with the given time limits does
// by itself in place of the fields that are zero.
func Complete(t aureus.ApprovalTerms, life Life) aureus.ApprovalTerms {
	t.Quorum = max(t.Quorum, 1)
	if len(t.Roles) == 0 {
		t.Roles = slices.Clone(roles[:1])
	}
	t.DecideWithin, t.UseWithin = cmp.Or(t.DecideWithin, life.Decide), cmp.Or(t.UseWithin, life.Use)
	return t
}
