"""Rows of supersamples: bounds from masks, replicas, points left out and candidates."""

import jax.numpy as jnp

from ibjax.bounds import (
    binary_js,
    e_cmi,
    f_cmi,
    f_information,
    fast_rate,
    information_profile,
    interpolation,
    k_ghost,
    ld_cmi,
    leave_one_out,
    path_membership,
    per_class,
    single_loss,
    steinke_zakynthinou,
)
from ibjax.bounds.falsification.rows import Row, known


def _steinke(mask_information, n):
    return steinke_zakynthinou(known(mask_information), n)


def _steinke_phi(mask_information, n):
    return steinke_zakynthinou(known(mask_information), n, inversion="phi")


def _evaluated(loss_information, n):
    return steinke_zakynthinou(known(loss_information), n, evaluated=True)


def _evaluated_phi(loss_information, n):
    return steinke_zakynthinou(known(loss_information), n, evaluated=True, inversion="phi")


def _rates(form: str, free: bool):
    def given(train_error, difference_information):
        return fast_rate(known(train_error), known(difference_information), form=form)

    def unseen(train_error, difference_information_free):
        return fast_rate(known(train_error), known(difference_information_free), form=form)

    return unseen if free else given


def _pairs(train_error, pair_information):
    return fast_rate(known(train_error), known(pair_information))


def _predictions(train_error, prediction_information):
    return fast_rate(known(train_error), known(prediction_information))


def _js(train_error, single_information):
    return binary_js(known(train_error), known(single_information))


def _js_free(train_error, single_information_free):
    return binary_js(known(train_error), known(single_information_free))


def _interpolation(train_error, difference_information):
    return interpolation(known(train_error), known(difference_information))


def _interpolation_free(train_error, difference_information_free):
    return interpolation(known(train_error), known(difference_information_free))


def _f_cmi(inversion: str):
    def given(predictions, masks, num_classes):
        return f_cmi(predictions, masks, num_classes, inversion=inversion)

    return given


def _tables(bound, **options):
    def given(losses, masks):
        return bound(losses, masks, **options)

    return given


def _per_class(losses, labels, masks, num_classes):
    found = per_class(losses, labels, masks, num_classes).bound
    # A class that does not occur has no gap and no bound.
    return jnp.where(jnp.isnan(found.value), jnp.inf, found.value)


def _size_of_classes(fields, value):
    return abs(fields["class_gap"]), value


def _profile(predictions, losses, masks):
    return information_profile([2 * predictions + losses, losses], masks)


def _left_out(form: str):
    def given(left_out_losses):
        return leave_one_out(left_out_losses, form=form)

    return given


def _ghost(candidate_information, candidates):
    return k_ghost(known(candidate_information), candidates)


def _membership(candidate_information, candidates):
    return path_membership(known(candidate_information), candidates=candidates, form="sqrt")


def _membership_kl(candidate_information, candidates, train_error):
    return path_membership(
        known(candidate_information),
        candidates=candidates,
        form="kl",
        train_error=known(train_error),
    )


def _membership_phi(candidate_information):
    return path_membership(known(candidate_information), form="phi")


def _membership_pair(candidate_information, train_error):
    return path_membership(
        known(candidate_information), form="pair", train_error=known(train_error)
    )


_FORMS = ("mutual", "mutual_tv", "chi2", "hellinger", "tv", "js")
_REPLICAS = (
    *(("e_cmi", e_cmi, {"inversion": i}) for i in ("sqrt", "phi", "pair", "kl_half")),
    *(("ld_cmi", ld_cmi, {"inversion": i}) for i in ("sqrt", "phi", "pair", "kl_half")),
    *(("single_loss", single_loss, {"inversion": i}) for i in ("sqrt", "phi", "js")),
    ("e_cmi", e_cmi, {"pooled": True}),
    ("ld_cmi", ld_cmi, {"pooled": True}),
    ("ld_cmi", ld_cmi, {"pooled": True, "inversion": "pair"}),
    ("single_loss", single_loss, {"pooled": True}),
    *(("f_information", f_information, {"form": f}) for f in _FORMS),
    *(("f_information", f_information, {"form": f, "pooled": True}) for f in _FORMS),
)


def _name(base: str, options: dict) -> str:
    words = [str(v) for k, v in options.items() if k != "pooled" and v != "sqrt"]
    return "_".join([base, *words, *(["pooled"] if options.get("pooled") else [])])


def _signed(options: dict) -> str:
    return "gap" if options.get("inversion") in ("pair", "kl_half", "js") else "size"


ROWS = (
    Row("steinke_zakynthinou", _steinke),
    Row("steinke_zakynthinou_phi", _steinke_phi),
    Row("steinke_zakynthinou_evaluated", _evaluated, "ghost_gap"),
    Row("steinke_zakynthinou_evaluated_phi", _evaluated_phi, "ghost_gap"),
    *(
        Row(f"fast_rate_{f}{'_free' if free else ''}", _rates(f, free), "gap")
        for f in ("pair", "kl_half", "linear", "basic")
        for free in (False, True)
    ),
    Row("fast_rate_pair_losses", _pairs, "gap"),
    Row("fast_rate_pair_predictions", _predictions, "gap"),
    Row("binary_js", _js, "gap"),
    Row("binary_js_free", _js_free, "gap"),
    Row("interpolation", _interpolation, "test_error"),
    Row("interpolation_free", _interpolation_free, "test_error"),
    Row("f_cmi", _f_cmi("sqrt")),
    Row("f_cmi_phi", _f_cmi("phi")),
    *(
        Row(_name(base, options), _tables(bound, **options), _signed(options))
        for base, bound, options in _REPLICAS
    ),
    Row("per_class", _per_class, "class_gap", compare=_size_of_classes),
    Row("information_profile", _profile),
    Row("leave_one_out", _left_out("sqrt")),
    Row("leave_one_out_interpolation", _left_out("interpolation"), "test_error"),
    Row("k_ghost", _ghost),
    Row("path_membership", _membership),
    Row("path_membership_phi", _membership_phi, only={"candidates": (2,)}),
    Row(
        "path_membership_pair",
        _membership_pair,
        "gap",
        only={"candidates": (2,), "binary_loss": (True,)},
    ),
    Row("path_membership_kl", _membership_kl, "gap"),
    Row(
        "single_loss_published",
        _tables(single_loss, centred=False),
        theorem=False,
        note="one column: needs a law that swapping a pair and its bit leaves unchanged",
    ),
)
