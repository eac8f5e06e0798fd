"""One world as the kernels of the harvest world see it.

The book (`book.write_book`) holds the rules and the address of every array; `look` turns
it into the rows of one world.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from karma_rllib.worlds.raw import f32, f64, i8, i16, i32, i64, u8, u64

phase = njit(forceinline=True)  # a piece of a step or of a reset, inlined into the outer loop


class One(NamedTuple):
    """The rows of one world: of `State`, of `Work`, of `Events` (`e_...`), and its results."""

    key: Any
    t: Any
    g: Any
    episode: Any
    cell: Any
    ground: Any
    wait: Any
    pos: Any
    head: Any
    frz: Any
    grace: Any
    cool: Any
    tags: Any
    act: Any
    got: Any
    flag: Any
    lit: Any
    lit_n: Any
    stock: Any
    waste: Any
    pot: Any
    occ: Any
    near: Any
    canvas: Any
    grown: Any
    order: Any
    wall: Any
    sprout: Any
    e_hit: Any
    e_distance: Any
    e_cleaned: Any
    e_ate: Any
    e_fired: Any
    e_active: Any
    e_aim: Any
    e_aim_agent: Any
    e_apple_ctx: Any
    e_stock: Any
    e_waste: Any
    e_t: Any
    e_g: Any
    e_episode: Any
    reward: Any
    truncated: Any


@phase
def look(r: Any, b: Any) -> Any:
    """Rows of world b, from the addresses in the book."""
    return One(
        key=u64(r.key + b * r.key_step),
        t=i32(r.t + b * r.t_step),
        g=i64(r.g + b * r.g_step),
        episode=i64(r.episode + b * r.episode_step),
        cell=u8(r.cell + b * r.cell_step),
        ground=u8(r.ground + b * r.ground_step),
        wait=i16(r.wait + b * r.wait_step),
        pos=i16(r.pos + b * r.pos_step),
        head=i8(r.head + b * r.head_step),
        frz=i16(r.frz + b * r.frz_step),
        grace=i16(r.grace + b * r.grace_step),
        cool=i16(r.cool + b * r.cool_step),
        tags=i16(r.tags + b * r.tags_step),
        act=i8(r.act + b * r.act_step),
        got=f32(r.got + b * r.got_step),
        flag=u8(r.flag + b * r.flag_step),
        lit=i16(r.lit + b * r.lit_step),
        lit_n=i32(r.lit_n + b * r.lit_n_step),
        stock=i32(r.stock + b * r.stock_step),
        waste=i32(r.waste + b * r.waste_step),
        pot=i32(r.pot + b * r.pot_step),
        occ=i8(r.occ + b * r.occ_step),
        near=u8(r.near + b * r.near_step),
        canvas=u8(r.canvas + b * r.canvas_step),
        grown=i32(r.grown + b * r.grown_step),
        order=i8(r.order + b * r.order_step),
        wall=u8(r.wall + b * r.wall_step),
        sprout=f64(r.sprout + b * r.sprout_step),
        e_hit=u8(r.e_hit + b * r.e_hit_step),
        e_distance=i8(r.e_distance + b * r.e_distance_step),
        e_cleaned=i16(r.e_cleaned + b * r.e_cleaned_step),
        e_ate=u8(r.e_ate + b * r.e_ate_step),
        e_fired=u8(r.e_fired + b * r.e_fired_step),
        e_active=u8(r.e_active + b * r.e_active_step),
        e_aim=i8(r.e_aim + b * r.e_aim_step),
        e_aim_agent=i8(r.e_aim_agent + b * r.e_aim_agent_step),
        e_apple_ctx=u8(r.e_apple_ctx + b * r.e_apple_ctx_step),
        e_stock=i32(r.e_stock + b * r.e_stock_step),
        e_waste=i32(r.e_waste + b * r.e_waste_step),
        e_t=i32(r.e_t + b * r.e_t_step),
        e_g=i64(r.e_g + b * r.e_g_step),
        e_episode=i64(r.e_episode + b * r.e_episode_step),
        reward=f32(r.reward + b * r.reward_step),
        truncated=u8(r.truncated + b * r.truncated_step),
    )
