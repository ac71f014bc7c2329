"""Every information quantity of an infinite ensemble, for a grid of times in one call."""

from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import grain, in_double
from ibjax.infinite import checks
from ibjax.infinite.energies import Energies, energies
from ibjax.infinite.kernel_matrix import Kernels
from ibjax.infinite.predictions import moments
from ibjax.infinite.sandwich import input_information, label_information
from ibjax.infinite.spectrum import decompose, in_basis, unhidden
from ibjax.interface import Estimate
from ibjax.mi.laws import covariance
from ibjax.signatures import enforced
from ibjax.typing import BiasDirection, Float, JaxArray, Key, Numbers, Subject

Status = Literal["exact", "linearised"]


class EnsembleInformation(NamedTuple):
    """Values over a grid of T times, in nats unless said otherwise; sums over the k outputs.

    Attributes:
        times: gradient-flow times, (T,).
        train_loss: E 1/2 |z - Y|^2 summed over the training set, squared target units.
        test_loss: the same on the test set.
        mean_test_loss: 1/2 |E z - Y|^2 on the test set, the loss of the averaged ensemble.
        gibbs: E log N(y; z, 1) of the test targets, summed: the average member.
        bayes: log N(y; mean, cov + 1) of the test targets jointly: the ensemble; >= gibbs.
        input_lower: I(X; Z | D) from below.
        input_upper: I(X; Z | D) from above.
        label_lower: I(Y; Z | D) from below, if Y is Gaussian: the information of the best affine
            decoder, whose covariances are estimated on the test set and err upwards.
        data_train: KL of the law on the training inputs from that at time 0; its mean over data
            sets is an upper bound on I(Z; D | X). Diverges with time.
        data_test: the same on the test inputs jointly; NaN, as `data_exact`, where their
            covariance is singular up to rounding.
        data_exact: I(Z; Y | X) on the test inputs if Y ~ N(0, target_cov); NaN otherwise.
        fisher_train: trace of the Fisher information of N(z, 1) on the training inputs.
        fisher_test: the same on the test inputs.
        displacement: E |theta - theta_0|^2, squared parameter units.
        path: E of the integral of |theta'|^2 dt; it is the decrease of the training loss.
        function_path: E of the integral of |z'|^2 dt on the training inputs.
        parameter_information: KL of p(theta | D) from p(theta_0); its mean over data sets is an
            upper bound on I(Theta; D) where `parameter_status` is exact.
        parameter_exact: I(Theta; D | X) of a model linear in its parameters if
            Y ~ N(0, target_cov); NaN otherwise.
        parameter_status: "exact" for a model linear in its parameters, else "linearised": the
            change of volume neglects how the Jacobian moves with theta_0. Not a bound then.
    """

    times: Float[JaxArray, " t"]
    train_loss: Estimate
    test_loss: Estimate
    mean_test_loss: Estimate
    gibbs: Estimate
    bayes: Estimate
    input_lower: Estimate
    input_upper: Estimate
    label_lower: Estimate
    data_train: Estimate
    data_test: Estimate
    data_exact: Estimate
    fisher_train: Estimate
    fisher_test: Estimate
    displacement: Estimate
    path: Estimate
    function_path: Estimate
    parameter_information: Estimate
    parameter_exact: Estimate
    parameter_status: Status


class _Test(NamedTuple):
    test_loss: JaxArray
    mean_test_loss: JaxArray
    gibbs: JaxArray
    bayes: JaxArray
    input_lower: Estimate
    input_upper: Estimate
    label_lower: tuple[JaxArray, JaxArray]
    data_test: JaxArray
    data_exact: JaxArray


_solve = partial(jax.scipy.linalg.solve_triangular, lower=True)


def _halved_logdet(chol: JaxArray) -> JaxArray:
    return jnp.sum(jnp.log(jnp.diagonal(chol)))


def _known(value: JaxArray, chol: JaxArray, kernel: JaxArray, grain: float) -> JaxArray:
    """A value that divides by a covariance; NaN where that is singular up to rounding.

    The rounding is that of the kernel which the covariance is, or is what is left of.
    """
    least, most = jnp.min(jnp.diagonal(chol) ** 2), jnp.max(jnp.diagonal(kernel))
    rounding = max(len(chol) * float(jnp.finfo(chol.dtype).eps), grain)
    return jnp.where(least > 10 * rounding * most, value, jnp.nan)


def _on_test(time, spectrum, train, cross, test, y, y_test, target_cov, key, grain) -> _Test:
    law = moments(spectrum, train.nngp, cross, test.nngp, y, time)
    m, k = y_test.shape
    variance, error = jnp.diagonal(law.cov), y_test - law.mean
    mean_loss = 0.5 * jnp.sum(error**2)
    loss = mean_loss + 0.5 * k * jnp.sum(variance)
    constant = 0.5 * m * k * jnp.log(2 * jnp.pi)
    noisy = jnp.linalg.cholesky(law.cov + jnp.eye(m, dtype=law.cov.dtype))
    bayes = -0.5 * jnp.sum(_solve(noisy, error) ** 2) - k * _halved_logdet(noisy) - constant
    between = input_information(law.mean, variance, key=key)
    prior, posterior = jnp.linalg.cholesky(test.nngp), jnp.linalg.cholesky(law.cov)
    # Both Cholesky factors are whitened by the prior, so that no inverse is formed.
    stretch, shift = _solve(prior, posterior), _solve(prior, law.mean)
    kl = 0.5 * (k * jnp.sum(stretch**2) + jnp.sum(shift**2) - m * k)
    kl = kl + k * (_halved_logdet(prior) - _halved_logdet(posterior))
    exact = jnp.full((), jnp.nan, law.cov.dtype)
    if target_cov is not None:
        response = moments(
            spectrum, train.nngp, cross, test.nngp, jnp.linalg.cholesky(target_cov), time
        ).mean
        white = _solve(posterior, response)
        exact = 0.5 * k * jnp.linalg.slogdet(jnp.eye(white.shape[1]) + white.T @ white)[1]
    label = label_information(law.mean, variance, y_test)
    kl, exact = (_known(value, posterior, test.nngp, grain) for value in (kl, exact))
    kl = _known(kl, prior, test.nngp, grain)
    return _Test(loss, mean_loss, -loss - constant, bayes, *between, label, kl, exact)


@partial(jax.jit, static_argnames="grain")
def _everything(
    train, y, times, cross, test, y_test, target_cov, nngp_rate, *, key, linear, grain: float
):
    spectrum = decompose(train.ntk, grain)
    inner = in_basis(spectrum, train.nngp)
    chol = jnp.linalg.cholesky(train.nngp)
    half = _solve(chol, spectrum.vectors)
    precision = half.T @ half
    rotated = spectrum.vectors.T @ y
    target = None if target_cov is None else in_basis(spectrum, target_cov)
    rate = None if nngp_rate is None else jnp.diagonal(in_basis(spectrum, nngp_rate))
    on_train = jax.lax.map(
        lambda t: energies(spectrum.values, inner, precision, rotated, t, linear, rate, target),
        times,
    )
    on_train = on_train._replace(data=_known(on_train.data, chol, train.nngp, grain))
    energy = y.shape[1] * jnp.diagonal(inner) + jnp.sum(rotated**2, axis=1)
    ok = jax.lax.map(lambda t: unhidden(spectrum, energy, t), times)
    if cross is None:
        return ok, on_train, None
    return (
        ok,
        on_train,
        jax.lax.map(
            lambda t: _on_test(t, spectrum, train, cross, test, y, y_test, target_cov, key, grain),
            times,
        ),
    )


@enforced
def ensemble_information(
    train: Kernels,
    y: Numbers,
    times: Numbers,
    *,
    test_train: Kernels | None = None,
    test: Kernels | None = None,
    y_test: Numbers | None = None,
    linear: bool = False,
    nngp_rate: Numbers | None = None,
    target_cov: Numbers | None = None,
    key: Key | None = None,
) -> EnsembleInformation:
    r"""Information in an infinite ensemble of infinitely wide networks under gradient flow.

    One eigendecomposition of the training NTK Theta; then, with K the NNGP and S = K + Y Y^T,
    train loss = 1/2 tr[exp(-2 tau Theta) S]; displacement = tr[Theta^-1 (1 - exp(-tau Theta))^2 S];
    path = 1/2 tr[(1 - exp(-2 tau Theta)) S]; function path = 1/2 tr[Theta (1 - exp(-2 tau Theta))
    S]; parameter information = tau tr Theta + 1/2 displacement + E[theta_0 . (theta - theta_0)],
    the last term being -tr(1 - exp(-tau Theta)) for a model linear in its parameters and
    -1/2 tr(M_tau dK/dalpha) otherwise (`mlp_nngp_rate`).

    Args:
        train: Kernels of the training inputs, (n, n); train.nngp positive definite.
        y: targets (n,) or (n, k).
        times: gradient-flow times for the *summed* loss 1/2 |z - Y|^2; see `flow_time`.
        test_train: Kernels between m test inputs and the training inputs, (m, n).
        test: Kernels of the test inputs, (m, m). Test quantities are NaN without these three.
        y_test: (m,) or (m, k).
        linear: whether the model is linear in its parameters with K = Theta (then
            I(Theta; D) is exact); only the NTK is used then.
        nngp_rate: (n, n) from `mlp_nngp_rate`; without it, and unless linear, the parameter
            information is NaN.
        target_cov: (n, n) covariance of the targets given X, for the two exact values.
        key: draws outputs for I(X; Z | D) when k > 1; not needed for one output.

    Returns:
        EnsembleInformation, every value (T,) in nats or the units its docstring states.

    Assumes: infinite width, NTK parametrisation, squared loss, full-batch gradient flow; test
    inputs independent of each other and of the training set for the test quantities.

    Raises:
        ValueError: shapes that do not fit, fewer than two examples, some of the test arguments
            without the others, k > 1 test outputs without a key, a target_cov that is no
            covariance.

    Reference: Shwartz-Ziv and Alemi (2020), Information in infinite ensembles of infinitely-wide
    neural networks. Losses and Fisher trace as published; displacement, both path energies,
    I(X; Z | D) and I(Theta; D) corrected or new here (see each attribute).
    """
    nngp = checks.square(train.nngp, "train.nngp")
    ntk = checks.square(train.ntk, "train.ntk")
    if nngp.shape != ntk.shape or nngp.shape[0] < 2:
        raise ValueError(
            f"train.nngp {nngp.shape} and train.ntk {ntk.shape} must both be (n, n), n >= 2"
        )
    train = Kernels(ntk if linear else nngp, ntk)
    targets = checks.targets(y, nngp.shape[0], "y")
    grid = checks.time_grid(times).astype(nngp.dtype)
    given = [part is not None for part in (test_train, test, y_test)]
    if any(given) and not all(given):
        raise ValueError("give test_train, test and y_test together, or none of them")
    labels = None
    if test_train is not None and test is not None:
        m = checks.square(test.nngp, "test.nngp").shape[0]
        if test_train.ntk.shape != (m, nngp.shape[0]) or m < 2:
            raise ValueError(
                f"test_train.ntk has shape {test_train.ntk.shape}; give "
                f"({m}, {nngp.shape[0]}) with at least two test inputs"
            )
        labels = checks.targets(y_test, m, "y_test")
        if labels.shape[1] != targets.shape[1]:
            raise ValueError(f"y_test has {labels.shape[1]} outputs, y has {targets.shape[1]}")
        if labels.shape[1] > 1 and key is None:
            raise ValueError("several outputs need key=jax.random.key(0) for I(X; Z | D)")
        if linear:
            test_train = Kernels(test_train.ntk, test_train.ntk)
            test = Kernels(test.ntk, test.ntk)
    for name, extra in (("nngp_rate", nngp_rate), ("target_cov", target_cov)):
        if extra is not None and checks.square(extra, name).shape != nngp.shape:
            raise ValueError(f"{name} has shape {jnp.shape(extra)}; give {nngp.shape}")
    if target_cov is not None:
        covariance("target_cov", target_cov)
    everything = (train, targets, grid, test_train, test, labels, target_cov, nngp_rate)
    leaves, tree = jax.tree.flatten(everything)
    coarse = grain(train.nngp, train.ntk)

    def run(*arrays):
        return _everything(*tree.unflatten(arrays), key=key, linear=linear, grain=coarse)

    ok, on_train, on_test = in_double(run, *leaves, dtype=nngp.dtype, given=(key,))
    return _report(grid, ntk, targets.shape[1], ok, on_train, on_test, test, linear)


def _report(
    grid, ntk, k, resolved, on_train: Energies, on_test, test, linear
) -> EnsembleInformation:
    nothing = jnp.full(grid.shape, jnp.nan, grid.dtype)

    def exact(
        value,
        reason="not computed: its inputs were not given, or a kernel is singular up to rounding",
        bias: BiasDirection = "none",
        about: Subject = "other",
    ):
        ok = jnp.isfinite(value) & resolved
        return Estimate(value, jnp.zeros_like(value), ok, bias, "", reason, about=about)

    def from_test(name, **options):
        return exact(nothing if on_test is None else getattr(on_test, name), **options)

    empty = Estimate(
        nothing, nothing, jnp.zeros(grid.shape, bool), "unknown", "", "no test set", about="other"
    )
    bounds = (empty, empty) if on_test is None else (on_test.input_lower, on_test.input_upper)
    label, its_error = (nothing, nothing) if on_test is None else on_test.label_lower
    reason = "a bound for Gaussian Y only"
    labels = replace(exact(label, reason, "unknown"), std_error=its_error)
    constant = jnp.ones_like(grid)
    fisher_test = nothing if test is None else k * jnp.trace(test.ntk) * constant
    return EnsembleInformation(
        times=grid,
        train_loss=exact(on_train.loss),
        test_loss=from_test("test_loss"),
        mean_test_loss=from_test("mean_test_loss"),
        gibbs=from_test("gibbs"),
        bayes=from_test("bayes"),
        input_lower=bounds[0],
        input_upper=bounds[1],
        label_lower=labels,
        data_train=exact(on_train.data, bias="up", about="posterior"),
        data_test=from_test("data_test", bias="up"),
        data_exact=from_test("data_exact"),
        fisher_train=exact(k * jnp.trace(ntk) * constant),
        fisher_test=exact(fisher_test),
        displacement=exact(on_train.displacement),
        path=exact(on_train.path),
        function_path=exact(on_train.function_path),
        parameter_information=exact(
            on_train.parameters,
            bias="up" if linear else "unknown",
            about="posterior",
            reason="infinite at infinite time; needs nngp_rate unless linear",
        ),
        parameter_exact=exact(on_train.parameters_exact),
        parameter_status="exact" if linear else "linearised",
    )
