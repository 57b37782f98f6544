"""The ten baselines, by the name that `--methods` takes."""

from . import acmr, cca, cfa, corr_ae, dscmr, jrl, kcca, kernel, ridge_cca, sm

ALL = {
    method.name: method
    for method in (
        cca.CCA(),
        kcca.KCCA(),
        cfa.CFA(),
        corr_ae.CorrAE(),
        jrl.JRL(),
        sm.SM(),
        acmr.ACMR(),
        dscmr.DSCMR(),
        ridge_cca.RidgeCCA(),
        kernel.Kernel(),
    )
}
