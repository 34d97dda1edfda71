package storage

import "errors"

// validatorRules implements [Validators].
type validatorRules struct{ ValidatorRows }

// List implements [Validators].
func (v validatorRules) List(tenant, subject, after string, limit int) ([]Validator, bool, error) {
	return validatorPage(limit, func(visit func(Validator) error) error {
		return v.EachInForce(tenant, subject, after, limit+1, visit)
	})
}

// ListTenant implements [Validators].
func (v validatorRules) ListTenant(tenant string, after Validator, limit int) ([]Validator, bool, error) {
	return validatorPage(limit, func(visit func(Validator) error) error {
		return v.EachOfTenant(tenant, after, limit+1, visit)
	})
}

func validatorPage(limit int, each func(visit func(Validator) error) error) (list []Validator, more bool, err error) {
	size := 0
	err = each(func(v Validator) error {
		size += len(v.Config)
		if len(list) == limit || len(list) > 0 && size > MaxPageBytes {
			return errPageFull
		}
		list = append(list, v)
		return nil
	})
	if more = errors.Is(err, errPageFull); more {
		err = nil
	}
	return list, more, err
}
