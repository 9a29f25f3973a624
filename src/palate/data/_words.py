"""Words of the planted topics: the same six in English and Chinese."""

from typing import Final

TOPICS: Final = {
    "en": (
        "soil seed spade greenhouse pruning compost orchard fern tulip watering hedge bulb",
        "whisk oven dough saucepan roasting spice butter recipe skillet baking broth kitchen",
        "summit tent trail rope glacier hiking campfire compass boulder backpack ridge lantern",
        "wave surfboard reef snorkel sailing anchor tide harbour kayak fin dolphin lagoon",
        "guitar chord drummer melody violin concert vinyl rhythm piano chorus trumpet studio",
        "galaxy telescope rocket orbit comet astronaut nebula lunar satellite eclipse mars probe",
    ),
    "zh": (
        "土壤 种子 铁锹 温室 修剪 堆肥 果园 蕨类 郁金香 浇水 树篱 球茎",
        "打蛋器 烤箱 面团 汤锅 烘烤 香料 黄油 食谱 煎锅 烘焙 高汤 厨房",
        "山顶 帐篷 步道 绳索 冰川 徒步 篝火 指南针 岩石 背包 山脊 营灯",
        "海浪 冲浪板 珊瑚礁 浮潜 帆船 船锚 潮汐 港口 皮划艇 脚蹼 海豚 泻湖",
        "吉他 和弦 鼓手 旋律 小提琴 音乐会 黑胶 节奏 钢琴 合唱 小号 录音室",
        "星系 望远镜 火箭 轨道 彗星 宇航员 星云 月球 卫星 日食 火星 探测器",
    ),
}
COMMON: Final = {
    "en": "new classic practical popular small everyday complete favourite",
    "zh": "全新 经典 实用 热门 小巧 日常 完整 喜爱",
}
CATEGORIES: Final = {
    "en": ("home", "home", "outdoors", "outdoors", "culture", "science"),
    "zh": ("家居", "家居", "户外", "户外", "文化", "科学"),
}
